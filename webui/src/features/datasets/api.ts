import { createConnectQueryKey, createQueryOptions, useQuery } from "@connectrpc/connect-query";
import type { Transport } from "@connectrpc/connect";
import { keepPreviousData, useQueryClient } from "@tanstack/react-query";
import { RecordsService } from "@/gen/services/records/v1/records_pb";
import { usePollWhileDown, useTopic } from "@/lib/app";
import { idOf } from "@/lib/names";

const { getDataset, listRecords, countRecords } = RecordsService.method;

export const datasetName = (id: string) => `datasets/${id}`;
export const datasetQuery = (transport: Transport, name: string) => createQueryOptions(getDataset, { name }, { transport });

export const useDataset = (name: string) => useQuery(getDataset, { name });

export interface RecordsView {
  filter: string;
  orderBy: string;
  pageToken: string;
}

export const PAGE_SIZE = 50;

// One page of records and how many there are, again when the dataset changes.
export function useRecords(parent: string, { filter, orderBy, pageToken }: RecordsView) {
  const client = useQueryClient();
  const refetchInterval = usePollWhileDown();
  useTopic(`dataset:${idOf(parent)}`, {
    hint: () => {
      void client.invalidateQueries({ queryKey: createConnectQueryKey({ schema: listRecords, cardinality: "finite" }) });
      void client.invalidateQueries({ queryKey: createConnectQueryKey({ schema: countRecords, cardinality: "finite" }) });
    },
  });
  const records = useQuery(
    listRecords,
    { parent, filter, orderBy, pageToken, pageSize: PAGE_SIZE },
    { placeholderData: keepPreviousData, refetchInterval },
  );
  const count = useQuery(countRecords, { parent, filter }, { placeholderData: keepPreviousData, refetchInterval });
  return { records, count };
}
