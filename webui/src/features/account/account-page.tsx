import { createConnectQueryKey, useMutation, useQuery } from "@connectrpc/connect-query";
import { Badge, Button, Code, Group, Paper, Stack, Text, ThemeIcon, Title } from "@mantine/core";
import { IconDeviceLaptop, IconPlugConnected } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { ActionDialog } from "@/components/ui/dialogs";
import { Moment } from "@/components/ui/moment";
import { Page } from "@/components/ui/page";
import { Empty, Loaded } from "@/components/ui/states";
import { Facts } from "@/components/ui/values";
import { done } from "@/components/ui/toast";
import { type Grant, GrantService, type Session, SessionService } from "@/gen/authserver/v1/authserver_pb";
import { describeScope } from "@/lib/rules";
import { useViewer } from "@/lib/viewer";
import { describeAgent } from "./agent";
import { DigestSetting } from "./digest-setting";

export function AccountPage() {
  const { user } = useViewer();
  return (
    <Page title="Account" subtitle="Which mails you get, where you are signed in, and what may act for you.">
      {user && (
        <Paper p="md">
          <Facts
            facts={[
              ["Name", user.displayName],
              ["E-mail", user.email],
              ["Roles here", user.roles.join(", ") || "none"],
            ]}
          />
        </Paper>
      )}
      <DigestSetting />
      <Sessions />
      <Grants />
    </Page>
  );
}

function Sessions() {
  const client = useQueryClient();
  const query = useQuery(SessionService.method.listSessions, {});
  const revoke = useMutation(SessionService.method.revokeSession, {
    onSuccess: () =>
      client.invalidateQueries({
        queryKey: createConnectQueryKey({ schema: SessionService.method.listSessions, cardinality: "finite" }),
      }),
  });
  const [asked, setAsked] = useState<Session>();
  return (
    <Paper component="section" aria-labelledby="sessions">
      <Title order={2} id="sessions" p="md" pb="xs">
        Sessions
      </Title>
      <Loaded query={query} rows={2}>
        {({ sessions }) =>
          sessions.map((session) => (
            <Row
              key={session.name}
              icon={<IconDeviceLaptop size={18} />}
              title={
                <>
                  {describeAgent(session.userAgent)}
                  {session.current && (
                    <Badge ml={8} color="teal">
                      this one
                    </Badge>
                  )}
                </>
              }
              detail={
                <>
                  {session.remoteAddress} · signed in <Moment time={session.createTime} /> · last used{" "}
                  <Moment time={session.lastUseTime} />
                </>
              }
              action={
                !session.current && (
                  <Button size="compact-sm" variant="subtle" color="red" onClick={() => setAsked(session)}>
                    Sign out there
                  </Button>
                )
              }
            />
          ))
        }
      </Loaded>
      <ActionDialog
        opened={asked !== undefined}
        onClose={() => setAsked(undefined)}
        title="End this session?"
        action="End session"
        color="red"
        run={async () => {
          await revoke.mutateAsync({ name: asked?.name ?? "" });
          done("The session is over.");
        }}
      >
        {asked && describeAgent(asked.userAgent)} has to sign in again.
      </ActionDialog>
    </Paper>
  );
}

function Grants() {
  const client = useQueryClient();
  const query = useQuery(GrantService.method.listGrants, {});
  const revoke = useMutation(GrantService.method.revokeGrant, {
    onSuccess: () =>
      client.invalidateQueries({
        queryKey: createConnectQueryKey({ schema: GrantService.method.listGrants, cardinality: "finite" }),
      }),
  });
  const [asked, setAsked] = useState<Grant>();
  return (
    <Paper component="section" aria-labelledby="apps">
      <Title order={2} id="apps" p="md" pb="xs">
        Apps with access
      </Title>
      <Loaded query={query} rows={2}>
        {({ grants }) =>
          grants.length === 0 ? (
            <Empty icon={IconPlugConnected} title="No app has access">
              Apps that you allow to act for you are listed here, and can be stopped here.
            </Empty>
          ) : (
            grants.map((grant) => (
              <Row
                key={grant.name}
                icon={<IconPlugConnected size={18} />}
                title={grant.clientTitle}
                detail={
                  <Group gap={6}>
                    <span>
                      allowed <Moment time={grant.createTime} /> · last used <Moment time={grant.lastUseTime} none="never" />
                    </span>
                    {grant.scopes.map((scope) => (
                      <Code key={scope} title={describeScope(scope)}>
                        {scope}
                      </Code>
                    ))}
                  </Group>
                }
                action={
                  <Button
                    size="compact-sm"
                    variant="subtle"
                    color="red"
                    onClick={() => setAsked(grant)}
                    aria-label={`Take access away from ${grant.clientTitle}`}
                  >
                    Take away
                  </Button>
                }
              />
            ))
          )
        }
      </Loaded>
      <ActionDialog
        opened={asked !== undefined}
        onClose={() => setAsked(undefined)}
        title={`Take access away from ${asked?.clientTitle ?? ""}?`}
        action="Take access away"
        color="red"
        run={async () => {
          await revoke.mutateAsync({ name: asked?.name ?? "" });
          done("The app has no access any more.");
        }}
      >
        It can ask you again.
      </ActionDialog>
    </Paper>
  );
}

function Row({ icon, title, detail, action }: { icon: ReactNode; title: ReactNode; detail: ReactNode; action: ReactNode }) {
  return (
    <Group px="md" py="sm" wrap="nowrap" style={{ borderTop: "1px solid var(--mantine-color-default-border)" }}>
      <ThemeIcon variant="light" color="gray" size={36} aria-hidden>
        {icon}
      </ThemeIcon>
      <Stack gap={0} flex={1} miw={0}>
        <Text size="sm" fw={550} component="div">
          {title}
        </Text>
        <Text size="xs" c="dimmed" component="div">
          {detail}
        </Text>
      </Stack>
      {action}
    </Group>
  );
}
