import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import type { TokenSource } from "./auth";

// The one way to the house: Connect over JSON at the same origin, with the caller's token.
export function createTransport(tokens: TokenSource): Transport {
  return createConnectTransport({
    baseUrl: location.origin,
    defaultTimeoutMs: 30_000,
    interceptors: [bearer(tokens)],
  });
}

// Adds the token, and once asks for a fresh one when the server no longer believes it (revoked, key rotated).
export function bearer(tokens: TokenSource): Interceptor {
  return (next) => async (request) => {
    request.header.set("Authorization", `Bearer ${(await tokens.token()).value}`);
    try {
      return await next(request);
    } catch (error) {
      if (ConnectError.from(error).code !== Code.Unauthenticated) throw error;
      request.header.set("Authorization", `Bearer ${(await tokens.renew()).value}`);
      return next(request);
    }
  };
}
