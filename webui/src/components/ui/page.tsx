import { Box, Group, Stack, Text, Title } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import type { ReactNode } from "react";

interface PageProps {
  title: string;
  // Shown in place of the title, for example with a badge beside it.
  heading?: ReactNode;
  subtitle?: ReactNode;
  // Breadcrumb above the title.
  above?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}

// The frame of each page: one h1, its actions at the right, the content below.
export function Page({ title, heading, subtitle, above, actions, children }: PageProps) {
  useDocumentTitle(`${title} · MicroServiceHub`);
  return (
    <Stack gap="lg" maw={1320} mx="auto" w="100%">
      <Group justify="space-between" align="flex-start" gap="md">
        <Box miw={0}>
          {above}
          {heading ?? <Title order={1}>{title}</Title>}
          {subtitle && (
            <Text component="div" c="dimmed" size="sm" mt={2}>
              {subtitle}
            </Text>
          )}
        </Box>
        {actions && <Group gap="xs">{actions}</Group>}
      </Group>
      {children}
    </Stack>
  );
}
