import { ActionIcon, Anchor, Box, Code, CopyButton, Group, Table, Text, Tooltip } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { humanise } from "@/lib/names";

export function Copy({ value, label = "Copy" }: { value: string; label?: string }) {
  return (
    <CopyButton value={value} timeout={1500}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? "Copied" : label}>
          <ActionIcon variant="subtle" color={copied ? "teal" : "gray"} onClick={copy} aria-label={copied ? "Copied" : label}>
            {copied ? <IconCheck size={16} /> : <IconCopy size={16} />}
          </ActionIcon>
        </Tooltip>
      )}
    </CopyButton>
  );
}

// Something to be copied exactly: an identifier, a secret, a command.
export function Copyable({ value, label, testId }: { value: string; label: string; testId?: string }) {
  return (
    <Group gap={4} wrap="nowrap" align="flex-start">
      <Code block style={{ flex: 1, whiteSpace: "pre-wrap", wordBreak: "break-all" }} aria-label={label} data-testid={testId}>
        {value}
      </Code>
      <Copy value={value} label={`Copy ${label.toLowerCase()}`} />
    </Group>
  );
}

// Facts as label and value.
export function Facts({ facts }: { facts: [label: string, value: ReactNode][] }) {
  return (
    <Table withRowBorders={false} verticalSpacing={4} horizontalSpacing={0} layout="auto">
      <Table.Tbody>
        {facts.map(([label, value]) => (
          <Table.Tr key={label}>
            <Table.Th scope="row" c="dimmed" fw={450} w="1%" pr="lg" style={{ whiteSpace: "nowrap", verticalAlign: "top" }}>
              {label}
            </Table.Th>
            <Table.Td style={{ wordBreak: "break-word" }}>{value}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

// A Struct as facts: flat values as text, deeper ones as JSON.
export function StructFacts({ value }: { value: { [key: string]: Json } | undefined }) {
  const entries = Object.entries(value ?? {});
  if (entries.length === 0)
    return (
      <Text size="sm" c="dimmed">
        Nothing.
      </Text>
    );
  return <Facts facts={entries.map(([key, entry]) => [humanise(key), <JsonValue key={key} value={entry} />])} />;
}

export function Nothing() {
  return (
    <Text span inherit c="dimmed">
      –
    </Text>
  );
}

export const JsonText = ({ value }: { value: Json }) => (
  <Code block style={{ whiteSpace: "pre-wrap", wordBreak: "break-word" }}>
    {JSON.stringify(value, null, 2)}
  </Code>
);

export function JsonValue({ value }: { value: Json }) {
  if (value === null || value === "" || (Array.isArray(value) && value.length === 0)) return <Nothing />;
  if (typeof value === "object") return <JsonText value={value} />;
  if (typeof value === "string" && /^https?:\/\//.test(value))
    return (
      <Anchor href={value} rel="noreferrer" target="_blank" inherit>
        {value}
      </Anchor>
    );
  return (
    <Box component="span" className={typeof value === "number" ? "numeric" : undefined}>
      {String(value)}
    </Box>
  );
}
