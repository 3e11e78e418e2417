import { createConnectQueryKey, useMutation, useQuery } from "@connectrpc/connect-query";
import { Checkbox, Paper, Title } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { done, failed } from "@/components/ui/toast";
import { IdentityService } from "@/gen/services/identity/v1/identity_pb";
import { useViewer } from "@/lib/viewer";

// Which mails come that nobody asked for.
export function DigestSetting() {
  const { organisation } = useViewer();
  const client = useQueryClient();
  const me = useQuery(IdentityService.method.getMe, {});
  const update = useMutation(IdentityService.method.updateMe, {
    onSuccess: ({ digest }) => {
      done(digest ? "The digest comes again." : "No digest comes any more.");
      return client.invalidateQueries({
        queryKey: createConnectQueryKey({ schema: IdentityService.method.getMe, cardinality: "finite" }),
      });
    },
    onError: failed,
  });
  if (!organisation) return null;
  return (
    <Paper component="section" p="md" aria-labelledby="mails">
      <Title order={2} id="mails" mb="xs">
        Mails
      </Title>
      <Checkbox
        label="A digest each day"
        description={`What waits for you in ${organisation.displayName}, and which runs of yours failed. No mail without news.`}
        checked={me.data?.digest ?? false}
        disabled={!me.data || update.isPending}
        onChange={(event) => update.mutate({ digest: event.currentTarget.checked })}
      />
    </Paper>
  );
}
