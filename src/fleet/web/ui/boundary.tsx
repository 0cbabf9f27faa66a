import { Component, type ComponentChildren } from 'preact';
import { Problem } from './parts.tsx';

type Props = { children: ComponentChildren };

/** Keeps a fault in one view from taking the rest of the page along. */
export class Boundary extends Component<Props, { fault: string | null }> {
  override state = { fault: null };

  static override getDerivedStateFromError(error: unknown) {
    return { fault: error instanceof Error ? error.message : String(error) };
  }

  override render() {
    const { fault } = this.state;
    if (fault === null) return this.props.children;
    return <Problem text={fault} onRetry={() => this.setState({ fault: null })} />;
  }
}
