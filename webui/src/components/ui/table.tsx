import { Button, Center, Paper, ScrollArea, Table, UnstyledButton } from "@mantine/core";
import { IconChevronDown, IconChevronUp, IconSelector } from "@tabler/icons-react";
import { type ColumnDef, flexRender, getCoreRowModel, type RowData, useReactTable } from "@tanstack/react-table";
import type { ReactNode } from "react";

declare module "@tanstack/react-table" {
  // eslint-disable-next-line @typescript-eslint/no-unused-vars -- the library's declaration has these parameters
  interface ColumnMeta<TData extends RowData, TValue> {
    align?: "right";
    width?: number | string;
    // Named for screen readers only: a column of buttons.
    hiddenHeader?: boolean;
  }
}

interface DataTableProps<T> {
  // What it lists, for screen readers.
  label: string;
  rows: T[];
  columns: ColumnDef<T>[];
  rowId: (row: T) => string;
  // Rows hold a link with class `stretched` that covers them.
  linked?: boolean;
  onRowClick?: (row: T) => void;
  sort?: { column: string; descending: boolean };
  // Given for tables whose server can sort; columns opt out with enableSorting: false.
  onSort?: (column: string) => void;
  empty?: ReactNode;
  minWidth?: number;
  footer?: ReactNode;
  // Raised while newer rows are on their way.
  dimmed?: boolean;
}

export function DataTable<T>(props: DataTableProps<T>) {
  const { label, rows, columns, rowId, linked, onRowClick, sort, onSort, empty, minWidth = 640, footer, dimmed } = props;
  // eslint-disable-next-line react-hooks/incompatible-library -- the table is rebuilt with every render of this component, nothing memoised depends on it
  const table = useReactTable({ data: rows, columns, getRowId: rowId, getCoreRowModel: getCoreRowModel() });
  if (rows.length === 0 && empty) return <Paper>{empty}</Paper>;
  return (
    <Paper style={{ overflow: "hidden", opacity: dimmed ? 0.6 : 1 }}>
      {/* The bar lies below the rows, not on the last one. */}
      <ScrollArea type="auto" offsetScrollbars="x" tabIndex={-1}>
        <Table aria-label={label} miw={minWidth} highlightOnHover={Boolean(onRowClick)} layout="auto">
          <Table.Thead>
            {table.getHeaderGroups().map((group) => (
              <Table.Tr key={group.id}>
                {group.headers.map(({ id, column, getContext }) => {
                  const { meta } = column.columnDef;
                  const title = flexRender(column.columnDef.header, getContext());
                  const sortable = onSort && column.columnDef.enableSorting !== false;
                  const sorted = sort?.column === id;
                  return (
                    <Table.Th
                      key={id}
                      scope="col"
                      c="dimmed"
                      fz="xs"
                      fw={550}
                      w={meta?.width}
                      ta={meta?.align}
                      style={{ whiteSpace: "nowrap" }}
                      aria-sort={sorted ? (sort.descending ? "descending" : "ascending") : undefined}
                    >
                      {sortable ? (
                        <UnstyledButton
                          onClick={() => onSort(id)}
                          style={{ font: "inherit", color: "inherit", display: "inline-flex", alignItems: "center", gap: 4 }}
                        >
                          {title}
                          {!sorted && <IconSelector size={14} aria-hidden opacity={0.5} />}
                          {sorted &&
                            (sort.descending ? <IconChevronDown size={14} aria-hidden /> : <IconChevronUp size={14} aria-hidden />)}
                        </UnstyledButton>
                      ) : meta?.hiddenHeader ? (
                        <span className="mantine-visually-hidden" style={{ position: "absolute", clip: "rect(0 0 0 0)" }}>
                          {title}
                        </span>
                      ) : (
                        title
                      )}
                    </Table.Th>
                  );
                })}
              </Table.Tr>
            ))}
          </Table.Thead>
          <Table.Tbody>
            {table.getRowModel().rows.map((row) => (
              <Table.Tr
                key={row.id}
                data-row={row.id}
                className={linked ? "row-link" : undefined}
                onClick={onRowClick && (() => onRowClick(row.original))}
                style={onRowClick && { cursor: "pointer" }}
              >
                {row.getVisibleCells().map((cell) => (
                  <Table.Td key={cell.id} ta={cell.column.columnDef.meta?.align}>
                    {flexRender(cell.column.columnDef.cell, cell.getContext())}
                  </Table.Td>
                ))}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </ScrollArea>
      {footer}
    </Paper>
  );
}

// The end of a keyset list: one more page, if there is one.
export function LoadMore({
  query,
}: {
  query: { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown };
}) {
  if (!query.hasNextPage) return null;
  return (
    <Center p="sm">
      <Button variant="subtle" loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
        Load more
      </Button>
    </Center>
  );
}
