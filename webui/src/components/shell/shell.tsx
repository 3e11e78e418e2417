import { AppShell, Badge, Burger, Group, NavLink, ScrollArea, Stack, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import {
  IconApps,
  IconBook2,
  IconCalendarClock,
  IconDatabase,
  IconHistory,
  IconInbox,
  IconListCheck,
  IconMail,
  IconPlayerPlay,
  IconUsers,
  type TablerIcon,
} from "@tabler/icons-react";
import { Link, useMatchRoute } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useOpenTaskCount } from "@/lib/inbox";
import { useViewer } from "@/lib/viewer";
import { AccountMenu } from "./account-menu";
import { LiveSign } from "./live-sign";
import { Mark } from "./mark";
import { OrganisationMenu } from "./organisation-menu";

interface Place {
  to: string;
  label: string;
  icon: TablerIcon;
  permission: string;
}

const work: Place[] = [
  { to: "/runs", label: "Runs", icon: IconListCheck, permission: "runs.read" },
  { to: "/inbox", label: "Inbox", icon: IconInbox, permission: "tasks.read" },
  { to: "/processes", label: "Processes", icon: IconPlayerPlay, permission: "runs.read" },
  { to: "/schedules", label: "Schedules", icon: IconCalendarClock, permission: "runs.read" },
  { to: "/datasets", label: "Datasets", icon: IconDatabase, permission: "records.read" },
];

const administration: Place[] = [
  { to: "/people", label: "People", icon: IconUsers, permission: "identity.read" },
  { to: "/clients", label: "Clients", icon: IconApps, permission: "clients.read" },
  { to: "/messages", label: "Messages", icon: IconMail, permission: "notify.read" },
  { to: "/audit", label: "Audit", icon: IconHistory, permission: "audit.read" },
];

// The frame around every page: where one can go, in which organisation, as whom. Places the viewer may not enter are absent.
export function Shell({ children }: { children: ReactNode }) {
  const [opened, { toggle, close }] = useDisclosure(false);
  const { can } = useViewer();
  const open = useOpenTaskCount();
  const matches = useMatchRoute();
  const link = ({ to, label, icon: Icon }: Place) => (
    <NavLink
      key={to}
      label={label}
      active={Boolean(matches({ to, fuzzy: true }))}
      leftSection={<Icon size={18} stroke={1.7} />}
      rightSection={
        to === "/inbox" && open > 0 ? (
          <Badge size="sm" color="amber" aria-label={`${open} open tasks`} data-testid="inbox-count">
            {open > 99 ? "99+" : open}
          </Badge>
        ) : undefined
      }
      onClick={close}
      py={7}
      bdrs="md"
      renderRoot={(props) => <Link to={to} {...props} />}
    />
  );
  const visible = (places: Place[]) => places.filter(({ permission }) => can(permission));
  return (
    <>
      <a href="#content" className="skip-link">
        Skip to content
      </a>
      <AppShell
        navbar={{ width: 236, breakpoint: "sm", collapsed: { mobile: !opened } }}
        header={{ height: { base: 52, sm: 0 } }}
        padding={{ base: "md", sm: "xl" }}
      >
        <AppShell.Header hiddenFrom="sm">
          <Group h="100%" px="md" gap="sm">
            <Burger opened={opened} onClick={toggle} size="sm" aria-label="Navigation" />
            <Mark />
          </Group>
        </AppShell.Header>
        <AppShell.Navbar p="sm" component="nav" aria-label="Main">
          <AppShell.Section visibleFrom="sm" px={6} pt={4} pb="sm">
            <Mark />
          </AppShell.Section>
          <AppShell.Section pb="sm">
            <OrganisationMenu />
          </AppShell.Section>
          <AppShell.Section grow component={ScrollArea} mx={-4} px={4}>
            <Stack gap={2}>{visible(work).map(link)}</Stack>
            {visible(administration).length > 0 && (
              <Text size="xs" c="dimmed" fw={550} px="sm" pt="md" pb={4}>
                Administration
              </Text>
            )}
            <Stack gap={2}>{visible(administration).map(link)}</Stack>
          </AppShell.Section>
          <AppShell.Section pt="xs">
            <NavLink label="API documentation" href="/docs" py={7} bdrs="md" leftSection={<IconBook2 size={18} stroke={1.7} />} />
            <Group gap={4} wrap="nowrap" mt={4}>
              <AccountMenu />
              <LiveSign />
            </Group>
          </AppShell.Section>
        </AppShell.Navbar>
        <AppShell.Main id="content" tabIndex={-1} style={{ outline: "none" }}>
          {children}
        </AppShell.Main>
      </AppShell>
    </>
  );
}
