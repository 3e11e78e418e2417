import { Button, Group, Paper, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import type { JsonObject } from "@bufbuild/protobuf";
import { IconDownload } from "@tabler/icons-react";
import { failed } from "@/components/ui/toast";
import { StructFacts } from "@/components/ui/values";
import { humanise } from "@/lib/names";
import { formatCount } from "@/lib/number";
import { Reference } from "./reference";
import { useDownload } from "./api";

// Counts that an import ends with, in the order in which people ask for them.
const counts = ["read", "inserted", "updated", "unchanged", "rejected"];

const colors: Record<string, string> = { inserted: "teal", updated: "blue", rejected: "red" };

// What came of a run. Results that count rows become figures; anything else is shown as facts.
export function RunResult({ result }: { result: JsonObject }) {
  const figures = counts.filter((key) => key in result || (key !== "read" && "read" in result));
  const rest = Object.fromEntries(Object.entries(result).filter(([key]) => !figures.includes(key) && key !== "rejects"));
  const rejects = typeof result.rejects === "string" ? result.rejects : "";
  return (
    <Paper p="md" component="section" aria-labelledby="result" data-testid="run-result">
      <Title order={2} id="result" mb="sm">
        Result
      </Title>
      <Stack gap="md">
        {figures.length > 0 && (
          <SimpleGrid cols={{ base: 2, xs: 3, md: 5 }} spacing="sm">
            {figures.map((key) => {
              const value = numberOf(result[key]);
              return (
                <Stack key={key} gap={0}>
                  <Text size="xs" c="dimmed">
                    {humanise(key)}
                  </Text>
                  <Text
                    fz={22}
                    fw={620}
                    className="numeric"
                    c={value === "0" ? "dimmed" : colors[key]}
                    data-testid={`result-${key}`}
                  >
                    {formatCount(value)}
                  </Text>
                </Stack>
              );
            })}
          </SimpleGrid>
        )}
        {rejects && <RejectsLink file={rejects} />}
        {Object.keys(rest).length > 0 && (
          <StructFacts value={rest} render={(_, value) => (typeof value === "string" ? <Reference value={value} /> : undefined)} />
        )}
      </Stack>
    </Paper>
  );
}

// int64 travels as a string inside a Struct, and a zero is left out.
function numberOf(value: unknown): string {
  return typeof value === "string" && /^-?\d+$/.test(value) ? value : typeof value === "number" ? String(Math.trunc(value)) : "0";
}

function RejectsLink({ file }: { file: string }) {
  const download = useDownload();
  return (
    <Group>
      <Button
        variant="light"
        color="red"
        leftSection={<IconDownload size={16} />}
        loading={download.isPending}
        onClick={() => download.mutate({ name: file }, { onSuccess: ({ url }) => location.assign(url), onError: failed })}
      >
        Download the rejected rows
      </Button>
      <Text size="sm" c="dimmed">
        A CSV with line, column, value and reason.
      </Text>
    </Group>
  );
}
