import { createContext, useContext, useEffect, useRef, useSyncExternalStore } from "react";
import type { TokenSource } from "./auth";
import type { Listener, Live, LiveStatus } from "./live";
import { POLL_INTERVAL } from "./query";

// What exists once in the page and is made in main.tsx (in tests: test/render.tsx).
export interface App {
  tokens: TokenSource;
  live: Live;
}

export const AppContext = createContext<App | undefined>(undefined);

export function useApp(): App {
  const app = useContext(AppContext);
  if (!app) throw new Error("AppContext is missing above this component");
  return app;
}

export function useLiveStatus(): LiveStatus {
  const { live } = useApp();
  return useSyncExternalStore(
    (listener) => live.onStatus(listener),
    () => live.status,
  );
}

// `refetchInterval` for what live events keep fresh: poll only while the socket is down.
export function usePollWhileDown(): number | false {
  return useLiveStatus() === "down" ? POLL_INTERVAL : false;
}

// Follows a topic while the component is shown; undefined follows nothing. The position counts at the first call.
export function useTopic(name: string | undefined, listener: Listener, after = 0n): void {
  const { live } = useApp();
  const latest = useRef(listener);
  const position = useRef(after);
  useEffect(() => {
    latest.current = listener;
    position.current = after;
  });
  useEffect(() => {
    if (!name) return;
    return live.subscribe(
      name,
      {
        event: (event) => latest.current.event?.(event),
        reset: (snapshot) => latest.current.reset?.(snapshot),
        hint: () => latest.current.hint?.(),
      },
      position.current,
    );
  }, [live, name]);
}
