import { Box, Button, Group, SimpleGrid, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { StateBadge } from "@/components/ui/state";
import { Failure } from "@/components/ui/states";
import { type Reject, Reject_State } from "@/gen/services/records/v1/records_pb";
import { problemOf } from "@/lib/errors";
import { formatCount } from "@/lib/number";

interface RejectRowProps {
  reject: Reject;
  editable: boolean;
  // Saves the cells that were changed.
  onSave: (cells: Record<string, string>) => Promise<unknown>;
}

// One rejected row: its faulty cells to correct, each with what is wrong with it; the others on demand.
export function RejectRow({ reject, editable, onSave }: RejectRowProps) {
  const [draft, setDraft] = useState<Record<string, string>>({});
  const [all, setAll] = useState(false);
  const [state, setState] = useState<{ busy: boolean; error?: unknown }>({ busy: false });
  const open = editable && reject.state !== Reject_State.REPLAYED;
  const faulty = new Set(reject.faults.map(({ column }) => column));
  const columns = Object.keys(reject.cells).filter((column) => all || faulty.has(column));
  const changed = Object.entries(draft).filter(([column, cell]) => cell !== reject.cells[column]);
  const refused = state.error === undefined ? {} : problemOf(state.error).fields;
  const save = () => {
    setState({ busy: true });
    onSave(Object.fromEntries(changed)).then(
      () => {
        setDraft({});
        setState({ busy: false });
      },
      (error: unknown) => setState({ busy: false, error }),
    );
  };
  return (
    <Box component="li" p="md" style={{ borderTop: "1px solid var(--mantine-color-default-border)" }} data-testid="reject">
      <form
        aria-label={`Row at line ${reject.line}`}
        onSubmit={(event) => {
          event.preventDefault();
          if (changed.length > 0) save();
        }}
      >
        <Group justify="space-between" mb="xs">
          <Text size="sm" fw={550} className="numeric">
            Line {formatCount(reject.line)}
          </Text>
          <Group gap="xs">
            <Button size="compact-xs" variant="subtle" color="gray" aria-expanded={all} onClick={() => setAll(!all)}>
              {all ? "Faulty cells only" : "All cells"}
            </Button>
            <StateBadge state={Reject_State[reject.state]} size="sm" />
          </Group>
        </Group>
        {/* Faults of the row as a whole: too many cells, a key that is there already. */}
        {reject.faults
          .filter(({ column }) => !(column in reject.cells))
          .map(({ column, reason }) => (
            <Text key={column + reason} size="sm" c="red" mb="xs">
              {[column, reason].filter(Boolean).join(": ")}
            </Text>
          ))}
        <SimpleGrid cols={{ base: 1, xs: 2, md: 3 }} spacing="sm">
          {columns.map((column) => (
            <TextInput
              key={column}
              size="xs"
              label={column}
              readOnly={!open}
              value={draft[column] ?? reject.cells[column] ?? ""}
              onChange={(event) => setDraft({ ...draft, [column]: event.currentTarget.value })}
              error={refused[`reject.cells.${column}`] ?? reject.faults.find((fault) => fault.column === column)?.reason}
            />
          ))}
        </SimpleGrid>
        {(changed.length > 0 || state.error !== undefined) && (
          <Stack gap="xs" mt="sm" align="flex-start">
            {state.error !== undefined && <Failure title="The correction was not saved" error={state.error} />}
            <Group gap="xs">
              <Button size="xs" type="submit" loading={state.busy} disabled={changed.length === 0}>
                Save correction
              </Button>
              <Button size="xs" variant="default" onClick={() => setDraft({})}>
                Back to what was read
              </Button>
            </Group>
          </Stack>
        )}
      </form>
    </Box>
  );
}
