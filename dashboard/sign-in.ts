/** Who looks at the page: the token, asked for whenever the server wants another one. */
import { askToken } from './dialog.ts';
import { keptIn } from './kept.ts';

/** For this tab only: it is gone with it. */
const stored = keptIn(() => sessionStorage, 'l7mp-token');

let asking: Promise<boolean> | undefined;
let isOut = false;
let tell: (isOut: boolean) => void = () => undefined;

export function currentToken(): string | undefined {
  return stored.get();
}

/** Whether a token was asked for and not given: nothing asks again by itself. */
export function isSignedOut(): boolean {
  return isOut;
}

/** Calls `listener` each time that somebody is signed out, or in again. */
export function onSignedOut(listener: (isOut: boolean) => void): void {
  tell = listener;
}

/** Asks for a token, once for all who want one. False where it was not given. `refused`: there was one. */
export function signIn(reason: string, refused: boolean): Promise<boolean> {
  asking ??= new Promise<boolean>((resolve) => {
    askToken(reason, refused ? 'The server has refused the last token.' : '', (token) => {
      asking = undefined;
      isOut = token === undefined;
      if (token !== undefined) stored.set(token);
      tell(isOut);
      resolve(!isOut);
    });
  });
  return asking;
}
