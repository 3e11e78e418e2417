import { createRouter, type RouterHistory } from "@tanstack/react-router";
import { PageFailure } from "@/components/shell/fallbacks";
import type { RouterContext } from "./routes/__root";
import { routeTree } from "./routeTree.gen";

// The history is the browser's, unless a test brings its own.
export function createAppRouter(context: RouterContext, history?: RouterHistory) {
  return createRouter({
    routeTree,
    context,
    history,
    defaultPreload: "intent",
    // Freshness is the query cache's business.
    defaultPreloadStaleTime: 0,
    scrollRestoration: true,
    defaultErrorComponent: PageFailure,
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof createAppRouter>;
  }
}
