import { Alert, Group, Paper, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import type { JsonObject } from "@bufbuild/protobuf";
import { DescribedFacts } from "@/components/described-facts";
import { FileLink } from "@/components/file-link";
import { useProcess } from "@/lib/catalogue";
import { humanise } from "@/lib/names";
import { formatCount } from "@/lib/number";

// Counts that an import ends with, in the order in which people ask for them.
const counts = ["read", "inserted", "updated", "unchanged", "deleted", "rejected"];

const colors: Record<string, string> = { inserted: "teal", updated: "blue", rejected: "red" };

// What came of a run. Results that count rows become figures; anything else is shown as facts, files as downloads.
export function RunResult({ process, result }: { process: string; result: JsonObject }) {
  const schema = useProcess(process)?.resultSchema;
  const figures = "read" in result ? counts.filter((key) => key !== "deleted" || countOf(result.deleted) > 0n) : [];
  const rest = Object.fromEntries(
    Object.entries(result).filter(
      ([key]) => key !== "warning" && !(figures.length > 0 && (counts.includes(key) || key === "rejects")),
    ),
  );
  const rejects = figures.length > 0 && typeof result.rejects === "string" ? result.rejects : "";
  const warning = typeof result.warning === "string" ? result.warning : "";
  return (
    <Paper p="md" component="section" aria-labelledby="result" data-testid="run-result">
      <Title order={2} id="result" mb="sm">
        Result
      </Title>
      <Stack gap="md">
        {figures.length > 0 && (
          <SimpleGrid cols={{ base: 2, xs: 3, md: figures.length }} spacing="sm">
            {figures.map((key) => {
              const value = countOf(result[key]);
              return (
                <Stack key={key} gap={0}>
                  <Text size="xs" c="dimmed">
                    {humanise(key)}
                  </Text>
                  <Text
                    fz={22}
                    fw={620}
                    className="numeric"
                    c={value === 0n ? "dimmed" : colors[key]}
                    data-testid={`result-${key}`}
                  >
                    {formatCount(value)}
                  </Text>
                </Stack>
              );
            })}
          </SimpleGrid>
        )}
        {warning && (
          <Alert role="note" color="amber" title="With a warning">
            {warning}
          </Alert>
        )}
        {rejects && (
          <Group gap="sm">
            <Text size="sm">
              <FileLink name={rejects} />
            </Text>
            <Text size="sm" c="dimmed">
              The rejected rows as CSV: line, column, value and reason.
            </Text>
          </Group>
        )}
        {(Object.keys(rest).length > 0 || figures.length === 0) && <DescribedFacts value={rest} schema={schema} />}
      </Stack>
    </Paper>
  );
}

// int64 travels as a string inside a Struct, and a zero is left out.
export function countOf(value: unknown): bigint {
  if (typeof value === "string" && /^-?\d+$/.test(value)) return BigInt(value);
  return typeof value === "number" ? BigInt(Math.trunc(value)) : 0n;
}

export const rejectedOf = (result: JsonObject | undefined) => countOf(result?.rejected);
