import { Alert, Button, Center, Paper, Skeleton, Stack, Text, ThemeIcon, Title } from "@mantine/core";
import { IconAlertTriangle, IconMoodEmpty, type TablerIcon } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { problemOf } from "@/lib/errors";

// Nothing here yet: what it would be, and how to get the first one.
export function Empty({
  title,
  children,
  action,
  icon: Icon = IconMoodEmpty,
}: {
  title: string;
  children?: ReactNode;
  action?: ReactNode;
  icon?: TablerIcon;
}) {
  return (
    <Center py={56} px="md">
      <Stack align="center" gap="xs" maw={440}>
        <ThemeIcon variant="light" color="gray" size={44} radius="xl" aria-hidden>
          <Icon size={24} stroke={1.6} />
        </ThemeIcon>
        <Title order={2} ta="center">
          {title}
        </Title>
        {children && (
          <Text c="dimmed" size="sm" ta="center">
            {children}
          </Text>
        )}
        {action}
      </Stack>
    </Center>
  );
}

// What went wrong and, if trying again can help, a way to do so.
export function Failure({
  error,
  retry,
  title = "This could not be loaded",
}: {
  error: unknown;
  retry?: () => void;
  title?: string;
}) {
  const { sentence, detail } = problemOf(error);
  return (
    <Alert role="alert" color="red" icon={<IconAlertTriangle size={18} />} title={title}>
      <Stack gap="xs" align="flex-start">
        <Text size="sm">{sentence}</Text>
        {detail && (
          <Text size="xs" c="dimmed">
            {detail}
          </Text>
        )}
        {retry && (
          <Button size="xs" variant="light" color="red" onClick={retry}>
            Try again
          </Button>
        )}
      </Stack>
    </Alert>
  );
}

export function Loading({ rows = 6 }: { rows?: number }) {
  return (
    <Stack gap="sm" p="md" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, row) => (
        <Skeleton key={row} height={18} width={`${92 - ((row * 17) % 40)}%`} />
      ))}
    </Stack>
  );
}

interface Query<T> {
  data: T | undefined;
  error: unknown;
  refetch: () => unknown;
}

// The three states of a query in one place. Data that is there stays on screen while a refetch fails.
export function Loaded<T>({ query, children, rows }: { query: Query<T>; children: (data: T) => ReactNode; rows?: number }) {
  if (query.data !== undefined) return children(query.data);
  if (query.error) return <Failure error={query.error} retry={() => void query.refetch()} />;
  return (
    <Paper>
      <Loading rows={rows} />
    </Paper>
  );
}
