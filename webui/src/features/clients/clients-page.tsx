import { createConnectQueryKey, useInfiniteQuery, useMutation } from "@connectrpc/connect-query";
import { ActionIcon, Badge, Button, Code, Group, Menu, Modal, Stack, Text } from "@mantine/core";
import { IconApps, IconDots, IconPlus, IconRefresh, IconTrash } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import type { ColumnDef } from "@tanstack/react-table";
import { useState } from "react";
import { ActionDialog } from "@/components/ui/dialogs";
import { Moment } from "@/components/ui/moment";
import { Page } from "@/components/ui/page";
import { Empty, Loaded } from "@/components/ui/states";
import { DataTable, LoadMore } from "@/components/ui/table";
import { done } from "@/components/ui/toast";
import { type Client, Client_Kind, ClientService, type CreateClientResponse } from "@/gen/authserver/v1/authserver_pb";
import { idOf } from "@/lib/names";
import { useViewer } from "@/lib/viewer";
import { kindNames, RegisterClient } from "./register-client";
import { ClientSecret } from "./client-secret";

const { listClients, deleteClient, rotateClientSecret } = ClientService.method;

// The old secret keeps working for a day, so that nothing stops while the new one is rolled out.
const OVERLAP_SECONDS = 24 * 3600;

type Asked = { what: "rotate" | "delete"; client: Client };

export function ClientsPage() {
  const { can } = useViewer();
  const queryClient = useQueryClient();
  const [registering, setRegistering] = useState(false);
  const [issued, setIssued] = useState<CreateClientResponse>();
  const [asked, setAsked] = useState<Asked>();
  const query = useInfiniteQuery(
    listClients,
    { pageSize: 100, pageToken: "" },
    { pageParamKey: "pageToken", getNextPageParam: ({ nextPageToken }) => nextPageToken || undefined },
  );
  const renew = () =>
    queryClient.invalidateQueries({ queryKey: createConnectQueryKey({ schema: listClients, cardinality: undefined }) });
  const rotate = useMutation(rotateClientSecret, { onSuccess: renew });
  const remove = useMutation(deleteClient, { onSuccess: renew });
  const close = () => setAsked(undefined);
  const writable = can("clients.write");
  const register = (
    <Button leftSection={<IconPlus size={16} />} onClick={() => setRegistering(true)}>
      Register a client
    </Button>
  );
  return (
    <Page
      title="Clients"
      subtitle="Programs that use the API: for themselves, or for people who allowed it."
      actions={writable && register}
    >
      <Loaded query={query}>
        {({ pages }) => (
          <DataTable
            label="Clients"
            rows={pages.flatMap(({ clients }) => clients)}
            columns={columns(writable ? setAsked : undefined)}
            rowId={({ name }) => idOf(name)}
            minWidth={820}
            footer={<LoadMore query={query} />}
            empty={
              <Empty icon={IconApps} title="No clients yet" action={writable && register}>
                Register one to call the API from a script, a server or an app.
              </Empty>
            }
          />
        )}
      </Loaded>
      <Modal opened={registering} onClose={() => setRegistering(false)} title="Register a client" size="lg">
        <RegisterClient
          onRegistered={(answer) => {
            setRegistering(false);
            setIssued(answer);
            void renew();
          }}
        />
      </Modal>
      {/* Shown once: it closes by its button only, not by a slip of the hand. */}
      <Modal
        opened={issued !== undefined}
        onClose={() => setIssued(undefined)}
        title={issued?.client?.title || "The client"}
        size="lg"
        closeOnClickOutside={false}
        closeOnEscape={false}
        withCloseButton={false}
      >
        {issued && <ClientSecret issued={issued} onClose={() => setIssued(undefined)} />}
      </Modal>
      <ActionDialog
        opened={asked?.what === "rotate"}
        onClose={close}
        title={`New secret for ${asked?.client.title ?? ""}?`}
        action="Issue a new secret"
        run={async () =>
          setIssued(await rotate.mutateAsync({ name: asked?.client.name ?? "", overlapSeconds: BigInt(OVERLAP_SECONDS) }))
        }
      >
        The old secret keeps working for 24 hours. The new one is shown once.
      </ActionDialog>
      <ActionDialog
        opened={asked?.what === "delete"}
        onClose={close}
        title={`Delete ${asked?.client.title ?? ""}?`}
        action="Delete client"
        color="red"
        run={async () => {
          await remove.mutateAsync({ name: asked?.client.name ?? "" });
          done("The client is deleted.");
        }}
      >
        Its tokens stop working within seconds, and whoever uses it is locked out.
      </ActionDialog>
    </Page>
  );
}

function columns(ask: ((asked: Asked) => void) | undefined): ColumnDef<Client>[] {
  return [
    {
      header: "Client",
      cell: ({ row: { original: client } }) => (
        <Stack gap={0}>
          <Text size="sm" fw={550}>
            {client.title}
          </Text>
          <Text size="xs" c="dimmed">
            {idOf(client.name)}
          </Text>
        </Stack>
      ),
    },
    {
      header: "Kind",
      cell: ({ row: { original: client } }) => (
        <Badge color="gray" miw="max-content">
          {kindNames[client.kind]}
        </Badge>
      ),
    },
    {
      header: "Scopes",
      cell: ({ row: { original: client } }) => (
        <Group gap={4}>
          {client.scopes.map((scope) => (
            <Code key={scope}>{scope}</Code>
          ))}
        </Group>
      ),
    },
    { header: "Last used", cell: ({ row: { original: client } }) => <Moment time={client.lastUseTime} none="never" /> },
    { header: "Registered", cell: ({ row: { original: client } }) => <Moment time={client.createTime} /> },
    {
      header: "Actions",
      meta: { align: "right", width: 60, hiddenHeader: true },
      cell: ({ row: { original: client } }) =>
        ask && (
          <Menu position="bottom-end">
            <Menu.Target>
              <ActionIcon variant="subtle" color="gray" aria-label={`Actions for ${client.title}`}>
                <IconDots size={18} />
              </ActionIcon>
            </Menu.Target>
            <Menu.Dropdown>
              {client.kind !== Client_Kind.PUBLIC && (
                <Menu.Item leftSection={<IconRefresh size={16} />} onClick={() => ask({ what: "rotate", client })}>
                  New secret
                </Menu.Item>
              )}
              <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={() => ask({ what: "delete", client })}>
                Delete
              </Menu.Item>
            </Menu.Dropdown>
          </Menu>
        ),
    },
  ];
}
