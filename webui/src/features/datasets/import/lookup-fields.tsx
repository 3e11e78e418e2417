import { useQuery } from "@connectrpc/connect-query";
import { Checkbox, Select, SimpleGrid } from "@mantine/core";
import { RecordsService } from "@/gen/services/records/v1/records_pb";
import { columnsOf, type ColumnType } from "@/lib/columns";
import { idOf } from "@/lib/names";
import type { ColumnFaults, Lookup } from "./columns";

interface LookupFieldsProps {
  // Of the column that is filled: only values of its type can be taken.
  type: ColumnType;
  lookup: Lookup | undefined;
  faults: ColumnFaults;
  onChange: (lookup: Lookup | undefined) => void;
}

// Another dataset's value in the place of the cell: which dataset, what is compared with the cell, what is taken.
export function LookupFields({ type, lookup, faults, onChange }: LookupFieldsProps) {
  const { data } = useQuery(RecordsService.method.listDatasets, { pageSize: 1000 });
  const dataset = data?.datasets.find(({ name }) => name === lookup?.dataset);
  const columns = columnsOf(dataset?.schema);
  const choose = (name: string | null) => {
    const [key, ...others] = data?.datasets.find((one) => one.name === name)?.key ?? [];
    const match = key !== undefined && others.length === 0 ? key : "";
    onChange(name ? { dataset: name, match, take: "", unknownIsNull: lookup?.unknownIsNull ?? false } : undefined);
  };
  return (
    <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }} spacing="sm">
      <Select
        size="xs"
        label="Look up in a dataset"
        placeholder="No"
        clearable
        searchable
        openOnFocus={false}
        data={(data?.datasets ?? []).map(({ name, title }) => ({ value: name, label: title || idOf(name) }))}
        value={lookup?.dataset ?? null}
        onChange={choose}
        error={faults["lookup.dataset"] ?? faults.lookup}
      />
      {lookup && (
        <>
          <Select
            size="xs"
            label="Find the cell in"
            placeholder="Choose a column"
            searchable
            openOnFocus={false}
            allowDeselect={false}
            data={columns.map(({ name }) => name)}
            value={lookup.match || null}
            onChange={(match) => onChange({ ...lookup, match: match ?? "" })}
            error={faults["lookup.match"]}
          />
          <Select
            size="xs"
            label="Take the value of"
            placeholder="Choose a column"
            searchable
            openOnFocus={false}
            allowDeselect={false}
            nothingFoundMessage="It has no column of this type"
            data={columns.filter((column) => column.type === type).map(({ name }) => name)}
            value={lookup.take || null}
            onChange={(take) => onChange({ ...lookup, take: take ?? "" })}
            error={faults["lookup.take"]}
          />
          <Checkbox
            size="xs"
            mt={{ base: 0, xs: 26 }}
            label="One that is not found is empty"
            description="Otherwise its row is rejected."
            checked={lookup.unknownIsNull}
            onChange={(event) => onChange({ ...lookup, unknownIsNull: event.currentTarget.checked })}
          />
        </>
      )}
    </SimpleGrid>
  );
}
