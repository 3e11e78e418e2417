import { ActionIcon, Badge, Button, Checkbox, Select, Table, Text, TextInput } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { type Column, type ColumnType, columnTypes, typeNames } from "@/lib/columns";

export interface Sampled {
  examples: string[];
  unique: boolean;
}

interface ColumnsEditorProps {
  columns: Column[];
  // Names of the columns that identify a record, in order.
  keyColumns: string[];
  // What the sample showed, by column; with it names are fixed, because they are the file's header.
  samples?: Record<string, Sampled>;
  onChange: (columns: Column[], keyColumns: string[]) => void;
}

// Columns of a dataset as a table: name, type, whether it may be empty, and which of them make a record unique.
export function ColumnsEditor({ columns, keyColumns, samples, onChange }: ColumnsEditorProps) {
  const edit = (index: number, change: Partial<Column>) => {
    const before = columns[index];
    if (!before) return;
    const after = { ...before, ...change };
    const keys = after.nullable
      ? keyColumns.filter((name) => name !== before.name)
      : keyColumns.map((name) => (name === before.name ? after.name : name));
    onChange(columns.with(index, after), keys);
  };
  const toggleKey = (column: Column, index: number, chosen: boolean) =>
    onChange(
      // What identifies a record can't be missing.
      chosen ? columns.with(index, { ...column, nullable: false }) : columns,
      chosen ? [...keyColumns, column.name] : keyColumns.filter((name) => name !== column.name),
    );
  return (
    <div style={{ overflowX: "auto" }}>
      <Table aria-label="Columns" verticalSpacing={4} horizontalSpacing="xs" miw={620}>
        <Table.Thead>
          <Table.Tr>
            {["Column", "Type", "May be empty", "Key", samples ? "In the file" : ""].map((title, index) => (
              <Table.Th key={index} scope="col" c="dimmed" fz="xs" fw={550}>
                {title}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {columns.map((column, index) => {
            const { name, type, nullable } = column;
            const sample = samples?.[name];
            const label = name || `column ${index + 1}`;
            return (
              <Table.Tr key={index}>
                <Table.Td>
                  {samples ? (
                    <Text size="sm" fw={550}>
                      {name}
                    </Text>
                  ) : (
                    <TextInput
                      size="xs"
                      aria-label={`Name of ${label}`}
                      value={name}
                      onChange={(event) => edit(index, { name: event.currentTarget.value.trim() })}
                    />
                  )}
                </Table.Td>
                <Table.Td>
                  <Select
                    size="xs"
                    w={150}
                    aria-label={`Type of ${label}`}
                    allowDeselect={false}
                    data={columnTypes.map((value) => ({ value, label: typeNames[value] }))}
                    value={type}
                    onChange={(value) => edit(index, { type: value as ColumnType })}
                  />
                </Table.Td>
                <Table.Td>
                  <Checkbox
                    size="sm"
                    aria-label={`${label} may be empty`}
                    checked={nullable}
                    onChange={(event) => edit(index, { nullable: event.currentTarget.checked })}
                  />
                </Table.Td>
                <Table.Td>
                  <Checkbox
                    size="sm"
                    aria-label={`${label} is part of the key`}
                    checked={keyColumns.includes(name)}
                    onChange={(event) => toggleKey(column, index, event.currentTarget.checked)}
                  />
                </Table.Td>
                <Table.Td>
                  {sample ? (
                    <Text size="xs" c="dimmed" truncate maw={240}>
                      {sample.unique && (
                        <Badge size="xs" color="teal" mr={6}>
                          unique
                        </Badge>
                      )}
                      {sample.examples.slice(0, 3).join(", ")}
                    </Text>
                  ) : (
                    !samples && (
                      <ActionIcon
                        variant="subtle"
                        color="gray"
                        aria-label={`Remove ${label}`}
                        onClick={() =>
                          onChange(
                            columns.toSpliced(index, 1),
                            keyColumns.filter((key) => key !== name),
                          )
                        }
                      >
                        <IconTrash size={16} />
                      </ActionIcon>
                    )
                  )}
                </Table.Td>
              </Table.Tr>
            );
          })}
        </Table.Tbody>
      </Table>
      {!samples && (
        <Button
          variant="subtle"
          size="xs"
          mt={4}
          leftSection={<IconPlus size={14} />}
          onClick={() => onChange([...columns, { name: "", type: "string", nullable: true }], keyColumns)}
        >
          Add a column
        </Button>
      )}
    </div>
  );
}
