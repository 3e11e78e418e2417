import { createRouterTransport } from "@connectrpc/connect";
import { createMemoryHistory, RouterProvider } from "@tanstack/react-router";
import { render } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { TokenSource } from "@/lib/auth";
import { Live, type Socket } from "@/lib/live";
import { createQueryClient } from "@/lib/query";
import { Providers } from "@/providers";
import { createAppRouter } from "@/router";
import type { FakeHouse } from "./house/house";

// The server's end of /live, in the hands of the test.
export class FakeLive {
  sent: Record<string, unknown>[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;

  connect = (): Socket => {
    queueMicrotask(() => this.onopen?.());
    return this as unknown as Socket;
  };

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }

  say(frame: unknown): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
}

// The whole console at an address, with a fake house in place of the server: the real routes, queries and socket code.
export function renderConsole(house: FakeHouse, path: string) {
  const server = new FakeLive();
  const tokens = new TokenSource({
    fetch: () => Promise.resolve(Response.json({ accessToken: "token", expiresIn: 300, organisation: "organisations/1" })),
  });
  const live = new Live({ tokens, connect: server.connect });
  const queryClient = createQueryClient();
  queryClient.setDefaultOptions({ queries: { ...queryClient.getDefaultOptions().queries, retry: false } });
  const transport = createRouterTransport(house.routes);
  const router = createAppRouter({ queryClient, transport }, createMemoryHistory({ initialEntries: [path] }));
  render(
    <Providers app={{ tokens, live }} transport={transport} queryClient={queryClient}>
      <RouterProvider router={router} />
    </Providers>,
  );
  return { user: userEvent.setup(), server, router };
}
