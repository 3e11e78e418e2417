import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import { IconKey } from "@tabler/icons-react";
import { Copyable } from "@/components/ui/values";
import { Client_Kind, type CreateClientResponse } from "@/gen/authserver/v1/authserver_pb";

// What was issued, once, and how to use it at once.
export function ClientSecret({ issued, onClose }: { issued: CreateClientResponse; onClose: () => void }) {
  const { client, clientId, clientSecret } = issued;
  const machine = client?.kind === Client_Kind.MACHINE;
  return (
    <Stack gap="md">
      {clientSecret && (
        <Alert role="note" color="amber" icon={<IconKey size={18} />} title="This secret is shown only now">
          Copy it into the client's configuration. If it is lost, issue a new one.
        </Alert>
      )}
      <div>
        <Text size="sm" fw={550} mb={4}>
          Client ID
        </Text>
        <Copyable label="Client ID" value={clientId} testId="client-id" />
      </div>
      {clientSecret && (
        <div>
          <Text size="sm" fw={550} mb={4}>
            Client secret
          </Text>
          <Copyable label="Client secret" value={clientSecret} testId="client-secret" />
        </div>
      )}
      <div>
        <Text size="sm" fw={550} mb={4}>
          {machine ? "A first token" : "Discovery, for the client's OpenID library"}
        </Text>
        <Copyable
          label="Example"
          value={
            machine
              ? `curl ${location.origin}/oauth2/token \\\n  -u "${clientId}:$CLIENT_SECRET" \\\n  -d grant_type=client_credentials \\\n  -d scope="${client.scopes.join(" ")}"`
              : `${location.origin}/.well-known/openid-configuration`
          }
        />
      </div>
      <Group justify="flex-end">
        <Button onClick={onClose}>{clientSecret ? "I have copied it" : "Done"}</Button>
      </Group>
    </Stack>
  );
}
