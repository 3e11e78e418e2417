import { useMutation } from "@connectrpc/connect-query";
import { RecordsService, type Format } from "@/gen/services/records/v1/records_pb";
import { type Column, columnsOf } from "@/lib/columns";
import type { Sampled } from "./columns-editor";

// As much of a file is looked at for a proposal.
const SAMPLE = 256 * 1024;

export interface Proposal {
  columns: Column[];
  samples: Record<string, Sampled>;
  keyColumns: string[];
  // Rows looked at.
  rows: bigint;
  // As given and as found out.
  format: Format | undefined;
}

// Columns, types and candidates for the key, proposed by the server from the first bytes of a file.
export function usePropose() {
  const propose = useMutation(RecordsService.method.proposeSchema);
  return {
    error: propose.error,
    isPending: propose.isPending,
    propose: async (file: File, format?: Format): Promise<Proposal> => {
      const sample = new Uint8Array(await file.slice(0, SAMPLE).arrayBuffer());
      const proposed = await propose.mutateAsync({ sample, fileName: file.name, format });
      const { schema, columns, rows } = proposed;
      const unique = columns.find((column) => column.unique && !column.nullable);
      return {
        columns: columnsOf(schema),
        samples: Object.fromEntries(columns.map(({ name, examples, unique }) => [name, { examples, unique }])),
        keyColumns: unique ? [unique.name] : [],
        rows,
        format: proposed.format,
      };
    },
  };
}
