import { render } from 'preact';
import { showLanguage } from './i18n/index.ts';
import { recallToken, start } from './state/board-live.ts';
import { setLive } from './state/range.ts';
import { followTheme } from './state/theme.ts';
import './styles/all.ts';
import { OwnBoard } from './views/own-board.tsx';

const FIRST_SPAN_S = 900;

followTheme();
showLanguage();
setLive(FIRST_SPAN_S);
recallToken();
void start();

const root = document.querySelector('#app');
if (root !== null) render(<OwnBoard />, root);
