/** One thing to show: a heading and what a device says, turn by turn. */
export type DemoScene = {
  title: string;
  turns: string[];
  /** The turns are one conversation. */
  session?: boolean;
  /** Where the prompts should be answered; the board decides without it. */
  route?: 'cloud';
  /** The error that is the right end of these prompts. */
  refused?: 'low_confidence';
};

/** What the bundled model can do, each in Chinese or English; it answers all of these rightly. */
export const DEMO_SCENES: readonly DemoScene[] = [
  {
    title: 'A command becomes JSON',
    turns: [
      '把地下室的风扇弄到100％。',
      'make sure to change the air conditioner in the entryway to 19 degrees at 06:00 daily',
    ],
  },
  {
    title: 'Telemetry becomes a diagnosis',
    turns: ['is the device healthy? {"cpu_temp":94.4}', '帮我看看 disk=90%; humidity=89% 是否正常'],
  },
  {
    title: 'Questions about devices',
    turns: ['MQTT协议指的是什么？', 'what is meant by QoS 2?'],
  },
  {
    title: 'A dialogue: the session remembers',
    turns: ['断开2号线里的加湿器', '冷库同样'],
    session: true,
  },
  {
    title: 'Another twowatt as the cloud',
    turns: ['what is meant by QoS 1?'],
    route: 'cloud',
  },
  {
    title: 'Asked for a poem, nobody here is sure: no answer beats a wrong one',
    turns: ['Write a short poem about autumn leaves.'],
    refused: 'low_confidence',
  },
];

/** A prompt for people to try themselves. */
export const DEMO_SUGGESTION = 'turn the bathroom fan to 40%';
