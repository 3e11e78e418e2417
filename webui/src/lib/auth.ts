import { Code, ConnectError } from "@connectrpc/connect";

// Seconds of life below which a token is renewed before it is used.
const RENEW_BELOW = 60;

export interface AccessToken {
  value: string;
  // Milliseconds since the epoch.
  expires: number;
  // "organisations/ID" that the token speaks for; empty for a person without any membership.
  organisation: string;
}

export interface TokenSourceOptions {
  fetch?: typeof globalThis.fetch;
  now?: () => number;
  // Called when there is no session any more; in the browser it leaves for the sign-in page.
  leave?: () => void;
}

// TokenSource turns the browser's session (an HttpOnly cookie that scripts can't read) into five-minute access tokens.
// The token lives in memory only. However many callers ask at once, one request goes out.
export class TokenSource {
  readonly #fetch: typeof globalThis.fetch;
  readonly #now: () => number;
  readonly #leave: () => void;
  #token: AccessToken | undefined;
  #pending: Promise<AccessToken> | undefined;

  constructor(options: TokenSourceOptions = {}) {
    this.#fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
    this.#now = options.now ?? Date.now;
    this.#leave = options.leave ?? leaveForSignIn;
  }

  // A token with at least a minute to live.
  async token(): Promise<AccessToken> {
    const token = this.#token;
    if (token && token.expires - this.#now() > RENEW_BELOW * 1000) return token;
    return this.renew();
  }

  // A new token, whatever the old one says. Used after a 401: the token may have been revoked.
  renew(): Promise<AccessToken> {
    this.#pending ??= this.#issue(this.#token?.organisation).finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  // Continues in another organisation of the same person.
  async switchTo(organisation: string): Promise<AccessToken> {
    await this.#pending?.catch(() => undefined);
    this.#pending = this.#issue(organisation).finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  async #issue(organisation: string | undefined): Promise<AccessToken> {
    let response = await this.#post(organisation);
    // The membership has gone since: let the server choose another organisation.
    if (organisation && (response.status === 403 || response.status === 404)) response = await this.#post(undefined);
    if (response.status === 401) {
      this.#token = undefined;
      this.#leave();
      return new Promise(() => undefined); // The page is going away; nobody should see an error flash by.
    }
    if (!response.ok) throw new ConnectError("The sign-in service does not answer.", Code.Unavailable);
    const body = (await response.json()) as { accessToken: string; expiresIn: number; organisation?: string };
    this.#token = {
      value: body.accessToken,
      expires: this.#now() + body.expiresIn * 1000,
      organisation: body.organisation ?? "",
    };
    return this.#token;
  }

  async #post(organisation: string | undefined): Promise<Response> {
    try {
      return await this.#fetch("/session/token", {
        method: "POST",
        credentials: "same-origin",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(organisation ? { organisation } : {}),
      });
    } catch {
      throw new ConnectError("The server can't be reached.", Code.Unavailable);
    }
  }
}

function leaveForSignIn() {
  const here = location.pathname + location.search;
  location.assign(`/signin?return_to=${encodeURIComponent(here)}`);
}
