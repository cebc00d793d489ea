/** Light or dark: as the system has it, unless somebody says something else. */
import { setText } from './dom.ts';
import { keptIn } from './kept.ts';

const stored = keptIn(() => localStorage, 'l7mp-theme');
const CHOICES = ['system', 'light', 'dark'] as const;
type Choice = (typeof CHOICES)[number];

/** Makes a button a switch: from the system's to light, to dark, and back. */
export function switchTheme(button: HTMLElement): void {
  let choice = known();
  const show = (): void => {
    const { dataset } = document.documentElement;
    if (choice === 'system') delete dataset['theme'];
    else dataset['theme'] = choice;
    setText(button, { system: '◐ System', light: '○ Light', dark: '● Dark' }[choice]);
    button.setAttribute('aria-label', `Colours: ${choice}`);
  };
  button.addEventListener('click', () => {
    choice = CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length] ?? 'system';
    stored.set(choice);
    show();
  });
  show();
}

function known(): Choice {
  const value = stored.get();
  return CHOICES.find((each) => each === value) ?? 'system';
}
