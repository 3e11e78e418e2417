import { Checkbox, Group, Select, SimpleGrid, Stack, TagsInput, TextInput } from "@mantine/core";
import { Format_Case } from "@/gen/services/records/v1/records_pb";
import { type ColumnFaults, isNumber, isTime, type Placed, type Transform } from "./columns";
import { LookupFields } from "./lookup-fields";
import { decimals } from "./reading";

interface ColumnReadingProps {
  column: Placed;
  faults: ColumnFaults;
  onChange: (transform: Transform) => void;
}

const cases = [
  { value: Format_Case.CASE_UNSPECIFIED, label: "as they are" },
  { value: Format_Case.UPPER, label: "UPPER CASE" },
  { value: Format_Case.LOWER, label: "lower case" },
];

// How the cells of one column are read, in place of how the whole file is.
export function ColumnReading({ column: { source, type, transform }, faults, onChange }: ColumnReadingProps) {
  const set = (change: Partial<Transform>) => onChange({ ...transform, ...change });
  const { trim, letters, nullTokens, dateFormat, decimal, thousands, lookup } = transform;
  return (
    <Stack gap="sm" p="xs" role="group" aria-label={`Values of ${source}`}>
      <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }} spacing="sm">
        {isTime(type) && (
          <TextInput
            size="xs"
            label="How they are written"
            placeholder={type === "date" ? "DD.MM.YYYY" : "DD.MM.YYYY HH:mm"}
            maxLength={60}
            value={dateFormat}
            onChange={(event) => set({ dateFormat: event.currentTarget.value })}
            error={faults.dateFormat}
          />
        )}
        {isNumber(type) && (
          <>
            <Select
              size="xs"
              label="Before a fraction"
              placeholder="As in the whole file"
              clearable
              data={decimals}
              value={decimal || null}
              onChange={(chosen) => set({ decimal: chosen ?? "" })}
              error={faults.decimal}
            />
            <TextInput
              size="xs"
              label="Between thousands"
              placeholder="As in the whole file"
              maxLength={1}
              value={thousands}
              onChange={(event) => set({ thousands: event.currentTarget.value })}
              error={faults.thousands}
            />
          </>
        )}
        <TagsInput
          size="xs"
          label="Words for “no value”"
          placeholder={nullTokens.length > 0 ? undefined : "Type and press Enter"}
          maxTags={20}
          value={nullTokens}
          onChange={(words) => set({ nullTokens: words })}
          error={faults.nullTokens}
        />
        <Select
          size="xs"
          label="Letters"
          allowDeselect={false}
          data={cases.map(({ value, label }) => ({ value: String(value), label }))}
          value={String(letters)}
          onChange={(chosen) => set({ letters: cases.find(({ value }) => String(value) === chosen)?.value ?? letters })}
          error={faults.case}
        />
      </SimpleGrid>
      <Group>
        <Checkbox
          size="xs"
          label="Leave out spaces around them"
          checked={trim}
          onChange={(event) => set({ trim: event.currentTarget.checked })}
        />
      </Group>
      <LookupFields type={type} lookup={lookup} faults={faults} onChange={(chosen) => set({ lookup: chosen })} />
    </Stack>
  );
}
