import type { Transport } from "@connectrpc/connect";
import { Center, Loader } from "@mantine/core";
import type { QueryClient } from "@tanstack/react-query";
import { createRootRouteWithContext, Outlet } from "@tanstack/react-router";
import { Shell } from "@/components/shell/shell";
import { NoOrganisation, NotFound, RootFailure } from "@/components/shell/fallbacks";
import { useViewer, viewerQuery } from "@/lib/viewer";

export interface RouterContext {
  queryClient: QueryClient;
  transport: Transport;
}

export const Route = createRootRouteWithContext<RouterContext>()({
  loader: ({ context: { queryClient, transport } }) => queryClient.query({ ...viewerQuery(transport), staleTime: "static" }),
  component: Root,
  pendingComponent: () => (
    <Center h="100vh">
      <Loader aria-label="Loading" />
    </Center>
  ),
  errorComponent: RootFailure,
  notFoundComponent: NotFound,
});

function Root() {
  const { organisation } = useViewer();
  return <Shell>{organisation ? <Outlet /> : <NoOrganisation />}</Shell>;
}
