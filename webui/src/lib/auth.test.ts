import { describe, expect, it, vi } from "vitest";
import { TokenSource } from "./auth";

const answer = (accessToken: string, organisation = "organisations/1") =>
  Response.json({ accessToken, expiresIn: 300, organisation });

function setup(...answers: Response[]) {
  let now = 0;
  const fetch = vi.fn<typeof globalThis.fetch>(() => Promise.resolve(answers.shift() ?? Response.error()));
  const leave = vi.fn();
  const tokens = new TokenSource({ fetch, leave, now: () => now });
  const body = (call: number) => JSON.parse(fetch.mock.calls[call]?.[1]?.body as string) as unknown;
  return { tokens, fetch, leave, body, pass: (seconds: number) => (now += seconds * 1000) };
}

describe("TokenSource", () => {
  it("asks once for many callers and keeps the token until a minute before its end", async () => {
    const { tokens, fetch, body, pass } = setup(answer("a"), answer("b"));
    const both = await Promise.all([tokens.token(), tokens.token()]);
    expect(both.map(({ value }) => value)).toEqual(["a", "a"]);
    pass(239);
    expect((await tokens.token()).value).toBe("a");
    pass(2);
    expect((await tokens.token()).value).toBe("b");
    expect(fetch).toHaveBeenCalledTimes(2);
    expect(body(0)).toEqual({});
    expect(body(1)).toEqual({ organisation: "organisations/1" });
  });

  it("leaves for the sign-in page when the session is over", async () => {
    const { tokens, leave } = setup(new Response(null, { status: 401 }));
    void tokens.token();
    await vi.waitFor(() => expect(leave).toHaveBeenCalledOnce());
  });

  it("switches the organisation, and falls back when it is no longer a member there", async () => {
    const { tokens, body } = setup(answer("a"), answer("b", "organisations/2"), new Response(null, { status: 403 }), answer("c"));
    await tokens.token();
    expect((await tokens.switchTo("organisations/2")).organisation).toBe("organisations/2");
    expect((await tokens.renew()).value).toBe("c");
    expect([body(1), body(2), body(3)]).toEqual([{ organisation: "organisations/2" }, { organisation: "organisations/2" }, {}]);
  });

  it("says so when the server can't be reached", async () => {
    const { tokens } = setup();
    await expect(tokens.token()).rejects.toThrow("does not answer");
  });
});
