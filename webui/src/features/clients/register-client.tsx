import { useMutation } from "@connectrpc/connect-query";
import { Button, Checkbox, Group, Radio, Stack, Textarea, TextInput } from "@mantine/core";
import { useState } from "react";
import { Failure } from "@/components/ui/states";
import { Client_Kind, ClientService, type CreateClientResponse } from "@/gen/authserver/v1/authserver_pb";
import { problemOf } from "@/lib/errors";
import { describeScope, scopes, signInScopes } from "@/lib/rules";

export const kindNames: Record<Client_Kind, string> = {
  [Client_Kind.KIND_UNSPECIFIED]: "Client",
  [Client_Kind.MACHINE]: "Machine",
  [Client_Kind.CONFIDENTIAL]: "Web server",
  [Client_Kind.PUBLIC]: "App",
};

const kinds = [
  { kind: Client_Kind.MACHINE, description: "Acts for itself: a script, a server job. Client credentials." },
  { kind: Client_Kind.CONFIDENTIAL, description: "Acts for people and can keep a secret. Authorization code with PKCE." },
  {
    kind: Client_Kind.PUBLIC,
    description: "Acts for people on their own device: a browser or native app. Authorization code with PKCE, no secret.",
  },
];

export function RegisterClient({ onRegistered }: { onRegistered: (answer: CreateClientResponse) => void }) {
  const [title, setTitle] = useState("");
  const [kind, setKind] = useState(Client_Kind.MACHINE);
  const [uris, setUris] = useState("");
  const [chosen, setChosen] = useState<string[]>([]);
  const create = useMutation(ClientService.method.createClient, { onSuccess: onRegistered });
  const people = kind !== Client_Kind.MACHINE;
  const redirectUris = people ? uris.split(/\s+/).filter(Boolean) : [];
  const offered = [...(people ? signInScopes : []), ...scopes];
  const asked = chosen.filter((scope) => offered.includes(scope));
  const faults = create.error ? problemOf(create.error).fields : {};
  const uriFault = Object.entries(faults).find(([path]) => path.startsWith("client.redirectUris"))?.[1];
  return (
    <form
      aria-label="Register a client"
      onSubmit={(event) => {
        event.preventDefault();
        create.mutate({ client: { title, kind, redirectUris, scopes: asked } });
      }}
    >
      <Stack gap="md">
        <TextInput
          label="Title"
          description="People see it when they are asked for consent."
          required
          value={title}
          onChange={(event) => setTitle(event.currentTarget.value)}
          error={faults["client.title"]}
          data-autofocus
        />
        <Radio.Group
          label="Kind"
          value={String(kind)}
          onChange={(value) => setKind(kinds.find(({ kind }) => String(kind) === value)?.kind ?? Client_Kind.MACHINE)}
        >
          <Stack gap="xs" mt="xs">
            {kinds.map((one) => (
              <Radio key={one.kind} value={String(one.kind)} label={kindNames[one.kind]} description={one.description} />
            ))}
          </Stack>
        </Radio.Group>
        {people && (
          <Textarea
            label="Redirect URIs"
            description="One a line, exactly as the client sends them: https, or http on loopback."
            required
            autosize
            minRows={2}
            value={uris}
            onChange={(event) => setUris(event.currentTarget.value)}
            error={uriFault}
          />
        )}
        <Checkbox.Group
          label="Scopes"
          description="The most that it may ever ask for."
          value={asked}
          onChange={setChosen}
          error={faults["client.scopes"]}
        >
          <Stack gap={8} mt="xs">
            {offered.map((scope) => (
              <Checkbox key={scope} value={scope} label={scope} description={describeScope(scope)} size="sm" />
            ))}
          </Stack>
        </Checkbox.Group>
        {create.error && <Failure title="The client was not registered" error={create.error} />}
        <Group justify="flex-end">
          <Button
            type="submit"
            loading={create.isPending}
            disabled={!title || asked.length === 0 || (people && redirectUris.length === 0)}
          >
            Register
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
