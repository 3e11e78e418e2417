import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createConnectRouter } from "@connectrpc/connect";
import { createFetchHandler } from "@connectrpc/connect/protocol";
import { type Browser, type BrowserContextOptions, chromium, type Page, type Route, type WebSocketRoute } from "playwright-core";
import type { FakeHouse } from "@/test/house/house";

const dist = new URL("../dist", import.meta.url).pathname;
// Loopback counts as a secure context, as it does under `mshub up`. Every request is answered here, none leaves.
const origin = "http://localhost:9";
// The policy of embed.go: what breaks it here would break it there.
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-test'; font-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
const kinds: Record<string, string> = { js: "text/javascript", css: "text/css", svg: "image/svg+xml", woff2: "font/woff2" };

export const launch = (): Promise<Browser> =>
  chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });

export interface Console {
  page: Page;
  // What the browser complained about: errors of scripts, broken policy, failed requests.
  complaints: string[];
  // The server's end of /live, once the page has opened it.
  live: () => WebSocketRoute | undefined;
  open: (path: string) => Promise<void>;
  close: () => Promise<void>;
}

// The built console in a browser, with a fake house in place of the server. Nothing listens on a port.
export async function openConsole(browser: Browser, house: FakeHouse, options: BrowserContextOptions = {}): Promise<Console> {
  const context = await browser.newContext({ viewport: { width: 1360, height: 860 }, reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  const complaints: string[] = [];
  let socket: WebSocketRoute | undefined;
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  await page.routeWebSocket(/\/live$/, (route) => {
    socket = route;
    route.onMessage((text) => {
      const frame = JSON.parse(String(text)) as { type: string; topic?: string };
      if (frame.type === "subscribe") route.send(JSON.stringify({ type: "subscribed", topic: frame.topic, seq: 0 }));
    });
  });
  await page.route("**/*", answerer(house));
  return {
    page,
    complaints,
    live: () => socket,
    open: async (path) => {
      await page.goto(origin + path);
      await page.waitForLoadState("networkidle");
    },
    close: () => context.close(),
  };
}

function answerer(house: FakeHouse): (route: Route) => Promise<void> {
  const router = createConnectRouter({ connect: true });
  house.routes(router);
  const calls = new Map(router.handlers.map((handler) => [handler.requestPath, createFetchHandler(handler)]));
  return async (route) => {
    const request = route.request();
    const { pathname } = new URL(request.url());
    const call = calls.get(pathname);
    if (call) {
      const answer = await call(
        new Request(request.url(), { method: request.method(), headers: request.headers(), body: request.postData() }),
      );
      return route.fulfill({
        status: answer.status,
        headers: Object.fromEntries(answer.headers),
        body: Buffer.from(await answer.arrayBuffer()),
      });
    }
    if (pathname === "/session/token")
      return route.fulfill({ json: { accessToken: "token", expiresIn: 300, organisation: "organisations/1" } });
    if (request.method() === "PUT") return route.fulfill({ status: 200, body: "" });
    const file = join(dist, pathname);
    if (pathname !== "/" && existsSync(file))
      return route.fulfill({
        body: readFileSync(file),
        contentType: kinds[pathname.split(".").at(-1) ?? ""] ?? "application/octet-stream",
      });
    const index = readFileSync(join(dist, "index.html"), "utf8").replaceAll("%NONCE%", "test");
    return route.fulfill({ body: index, contentType: "text/html", headers: { "Content-Security-Policy": policy } });
  };
}
