import { Badge, Box, Button, Checkbox, Select, Table, Text, TextInput } from "@mantine/core";
import { IconChevronDown, IconChevronRight } from "@tabler/icons-react";
import { Fragment, useId, useState } from "react";
import { type Column, type ColumnType, columnTypes, typeNames } from "@/lib/columns";
import { ColumnReading } from "./column-reading";
import { type ColumnFaults, describeTransform, type FileColumn, type Placed } from "./columns";

interface ColumnsTableProps {
  columns: Placed[];
  // The columns of the dataset that is filled; undefined: it is made from these.
  there: Column[] | undefined;
  // By the name in the file.
  faults: Record<string, ColumnFaults>;
  onChange: (source: string, change: Partial<FileColumn>) => void;
}

// The file's columns as a table: where each goes, what it becomes, whether it is left out, how its cells are read.
export function ColumnsTable({ columns, there, faults, onChange }: ColumnsTableProps) {
  const titles = ["In the file", "In the dataset", "Type", ...(there ? [] : ["May be empty", "Key"]), "Skip", "Values"];
  return (
    <div style={{ overflowX: "auto" }}>
      <Table aria-label="Columns" verticalSpacing={4} horizontalSpacing="xs" miw={there ? 640 : 780}>
        <Table.Thead>
          <Table.Tr>
            {titles.map((title) => (
              <Table.Th key={title} scope="col" c="dimmed" fz="xs" fw={550}>
                {title}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {columns.map((column) => (
            <ColumnRows
              key={column.source}
              column={column}
              there={there}
              width={titles.length}
              faults={faults[column.source] ?? {}}
              onChange={(change) => onChange(column.source, change)}
            />
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}

interface ColumnRowsProps {
  column: Placed;
  there: Column[] | undefined;
  // Cells of a row.
  width: number;
  faults: ColumnFaults;
  onChange: (change: Partial<FileColumn>) => void;
}

// One column, and under it, if it is opened, how its cells are read.
function ColumnRows({ column, there, width, faults, onChange }: ColumnRowsProps) {
  const { source, target, skip, nested, examples, unique } = column;
  const [opened, setOpened] = useState(false);
  const id = useId();
  const shown = !skip && (opened || Object.keys(faults).some((field) => !["column", "source", "skip"].includes(field)));
  const summary = describeTransform(column) || "As they are";
  const Icon = shown ? IconChevronDown : IconChevronRight;
  return (
    <Fragment>
      <Table.Tr>
        <Table.Th scope="row" fw={400}>
          <Text size="sm" fw={550} c={skip ? "dimmed" : undefined} td={skip ? "line-through" : undefined}>
            {source}
          </Text>
          <Text size="xs" c="dimmed" truncate maw={200}>
            {unique && (
              <Badge size="xs" color="teal" mr={6}>
                unique
              </Badge>
            )}
            {nested ? "a list or an object, which no column holds" : examples.slice(0, 3).join(", ")}
          </Text>
          {faults.source && <Fault text={faults.source} />}
        </Table.Th>
        <Table.Td>
          {there ? (
            <Select
              size="xs"
              miw={150}
              aria-label={`Column of the dataset for ${source}`}
              placeholder="None"
              searchable
              clearable={false}
              allowDeselect={false}
              disabled={nested}
              data={there.map(({ name }) => name)}
              value={target || null}
              // Who names a place wants it to be filled.
              onChange={(chosen) => chosen && onChange({ target: chosen, skip: false })}
              error={faults.column}
            />
          ) : (
            <TextInput
              size="xs"
              miw={150}
              aria-label={`Name of ${source} in the dataset`}
              maxLength={200}
              disabled={skip}
              value={target}
              onChange={(event) => onChange({ target: event.currentTarget.value.trim() })}
              error={faults.column}
            />
          )}
        </Table.Td>
        <Table.Td>
          {there ? (
            <Text size="sm" c="dimmed">
              {target ? typeNames[column.type] : "–"}
            </Text>
          ) : (
            <Select
              size="xs"
              w={140}
              aria-label={`Type of ${source}`}
              allowDeselect={false}
              disabled={skip}
              data={columnTypes.map((value) => ({ value, label: typeNames[value] }))}
              value={column.type}
              onChange={(value) => onChange({ type: value as ColumnType })}
            />
          )}
        </Table.Td>
        {!there && (
          <>
            <Table.Td>
              <Checkbox
                size="sm"
                aria-label={`${source} may be empty`}
                disabled={skip}
                checked={column.nullable}
                // What identifies a record can't be missing.
                onChange={({ currentTarget: { checked } }) => onChange({ nullable: checked, ...(checked && { key: false }) })}
              />
            </Table.Td>
            <Table.Td>
              <Checkbox
                size="sm"
                aria-label={`${source} is part of the key`}
                disabled={skip}
                checked={column.key && !skip}
                onChange={({ currentTarget: { checked } }) => onChange({ key: checked, ...(checked && { nullable: false }) })}
              />
            </Table.Td>
          </>
        )}
        <Table.Td>
          <Checkbox
            size="sm"
            aria-label={`Skip ${source}`}
            disabled={nested}
            checked={skip}
            onChange={(event) => onChange({ skip: event.currentTarget.checked })}
            error={faults.skip}
          />
        </Table.Td>
        <Table.Td>
          <Button
            size="compact-xs"
            variant="subtle"
            color="gray"
            disabled={skip}
            maw={220}
            styles={{ label: { display: "block", overflow: "hidden", textOverflow: "ellipsis" } }}
            leftSection={<Icon size={14} />}
            aria-label={`Values of ${source}: ${summary}`}
            aria-expanded={shown}
            aria-controls={id}
            onClick={() => setOpened(!shown)}
          >
            {summary}
          </Button>
        </Table.Td>
      </Table.Tr>
      {shown && (
        <Table.Tr id={id}>
          <Table.Td colSpan={width} bg="var(--mshub-canvas)">
            {/* In sight, and no wider than it, where the table is scrolled sideways. */}
            <Box pos="sticky" left={8} maw="calc(100vw - 96px)">
              <ColumnReading column={column} faults={faults} onChange={(transform) => onChange({ transform })} />
            </Box>
          </Table.Td>
        </Table.Tr>
      )}
    </Fragment>
  );
}

function Fault({ text }: { text: string }) {
  return (
    <Text size="xs" c="var(--mantine-color-error)" role="alert">
      {text}
    </Text>
  );
}
