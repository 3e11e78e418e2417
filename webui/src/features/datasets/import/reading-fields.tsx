import { Button, Checkbox, Collapse, Fieldset, Group, Select, SimpleGrid, Stack, TagsInput, Text, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconChevronDown, IconChevronRight } from "@tabler/icons-react";
import { Format_Kind, type Format } from "@/gen/services/records/v1/records_pb";
import { decimals, delimiters, describeFormat, encodings, kinds, quotes, type Reading } from "./reading";

interface ReadingFieldsProps {
  reading: Reading;
  onChange: (reading: Reading) => void;
  // What the house found out from the first rows.
  found: Format | undefined;
  // Fields at fault: "delimiter" -> sentence.
  faults: Record<string, string>;
  // Reads the first rows again with these settings; without it there are no rows here to read.
  onAgain?: () => void;
  busy: boolean;
}

// How the file is read, for files of which the first rows don't tell.
export function ReadingFields({ reading, onChange, found, faults, onAgain, busy }: ReadingFieldsProps) {
  const [opened, { toggle }] = useDisclosure(false);
  const set = (change: Partial<Reading>) => onChange({ ...reading, ...change });
  const json = reading.kind === Format_Kind.NDJSON || reading.kind === Format_Kind.JSON;
  const shown = opened || Object.keys(faults).length > 0;
  const described = describeFormat(found);
  return (
    <div>
      <Group gap="sm">
        <Button
          size="compact-sm"
          variant="subtle"
          color="gray"
          leftSection={shown ? <IconChevronDown size={14} /> : <IconChevronRight size={14} />}
          aria-expanded={shown}
          aria-controls="reading"
          onClick={toggle}
        >
          How the file is read
        </Button>
        {described && (
          <Text size="sm" c="dimmed" data-testid="found-format">
            Found: {described}
          </Text>
        )}
      </Group>
      <Collapse expanded={shown} id="reading">
        <Stack gap="md" mt="xs">
          <Fieldset legend="The file">
            <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }} spacing="md">
              <Select
                label="Kind"
                placeholder="Found out"
                clearable
                data={kinds.map(({ value, label }) => ({ value: String(value), label }))}
                value={reading.kind === Format_Kind.KIND_UNSPECIFIED ? null : String(reading.kind)}
                onChange={(kind) =>
                  set({ kind: kinds.find(({ value }) => String(value) === kind)?.value ?? Format_Kind.KIND_UNSPECIFIED })
                }
                error={faults.kind}
              />
              <Select
                label="Encoding"
                placeholder="Found out"
                clearable
                data={encodings}
                value={reading.encoding || null}
                onChange={(encoding) => set({ encoding: encoding ?? "" })}
                error={faults.encoding}
              />
              <Select
                label="Between cells"
                placeholder="Found out"
                clearable
                disabled={json}
                data={delimiters}
                value={reading.delimiter || null}
                onChange={(delimiter) => set({ delimiter: delimiter ?? "" })}
                error={faults.delimiter}
              />
              <Select
                label="Around cells"
                placeholder="Found out"
                clearable
                disabled={json}
                data={quotes}
                value={reading.quote || null}
                onChange={(quote) => set({ quote: quote ?? "" })}
                error={faults.quote}
              />
            </SimpleGrid>
            <Group gap="lg" mt="md">
              <Checkbox
                label="The first row holds values, not names"
                disabled={json}
                checked={reading.noHeader}
                onChange={(event) => set({ noHeader: event.currentTarget.checked })}
              />
              <Checkbox
                label="Leave out spaces around cells"
                checked={reading.trim}
                onChange={(event) => set({ trim: event.currentTarget.checked })}
              />
            </Group>
          </Fieldset>
          <Fieldset legend="Its values">
            <SimpleGrid cols={{ base: 1, xs: 2, md: 3 }} spacing="md">
              <TextInput
                label="Dates"
                placeholder="YYYY-MM-DD"
                value={reading.dateFormat}
                onChange={(event) => set({ dateFormat: event.currentTarget.value })}
                error={faults.dateFormat}
              />
              <TextInput
                label="Dates with time"
                placeholder="DD.MM.YYYY HH:mm"
                value={reading.timeFormat}
                onChange={(event) => set({ timeFormat: event.currentTarget.value })}
                error={faults.timeFormat}
              />
              <TextInput
                label="Time zone of these"
                placeholder="UTC"
                value={reading.timeZone}
                onChange={(event) => set({ timeZone: event.currentTarget.value })}
                error={faults.timeZone}
              />
              <Select
                label="Before a fraction"
                placeholder="1.5"
                clearable
                data={decimals}
                value={reading.decimal || null}
                onChange={(decimal) => set({ decimal: decimal ?? "" })}
                error={faults.decimal}
              />
              <TextInput
                label="Between thousands"
                placeholder="none"
                maxLength={1}
                value={reading.thousands}
                onChange={(event) => set({ thousands: event.currentTarget.value })}
                error={faults.thousands}
              />
              <TagsInput
                label="Words for “no value”"
                placeholder={reading.nullTokens.length > 0 ? undefined : "NA, NULL and the like"}
                maxTags={20}
                value={reading.nullTokens}
                onChange={(nullTokens) => set({ nullTokens })}
                error={faults.nullTokens}
              />
            </SimpleGrid>
          </Fieldset>
          {onAgain && (
            <Group>
              <Button variant="default" loading={busy} onClick={onAgain}>
                Read the first rows again
              </Button>
            </Group>
          )}
        </Stack>
      </Collapse>
    </div>
  );
}
