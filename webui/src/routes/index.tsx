import { createFileRoute, redirect } from "@tanstack/react-router";
import { viewerOf, viewerQuery } from "@/lib/viewer";

export const Route = createFileRoute("/")({
  // The first page that the viewer may see.
  beforeLoad: async ({ context: { queryClient, transport } }) => {
    const { can, organisation } = viewerOf(await queryClient.query({ ...viewerQuery(transport), staleTime: "static" }));
    if (!organisation) return;
    throw redirect({ to: can("runs.read") ? "/runs" : can("records.read") ? "/datasets" : "/account" });
  },
});
