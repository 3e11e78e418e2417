import { createConnectQueryKey, useMutation } from "@connectrpc/connect-query";
import { ActionIcon, Menu, Modal } from "@mantine/core";
import { IconColumns3, IconDots, IconTrash } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ActionDialog } from "@/components/ui/dialogs";
import { done } from "@/components/ui/toast";
import { Facts } from "@/components/ui/values";
import { type Dataset, RecordsService } from "@/gen/services/records/v1/records_pb";
import { columnsOf } from "@/lib/columns";
import { humanise } from "@/lib/names";

export function DatasetMenu({ dataset, onDeleted }: { dataset: Dataset; onDeleted: () => void }) {
  const client = useQueryClient();
  const [open, setOpen] = useState<"columns" | "delete">();
  const remove = useMutation(RecordsService.method.deleteDataset);
  const title = dataset.title || dataset.name;
  const close = () => setOpen(undefined);
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <ActionIcon variant="default" size={36} aria-label="More about this dataset">
            <IconDots size={18} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconColumns3 size={16} />} onClick={() => setOpen("columns")}>
            Columns
          </Menu.Item>
          <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={() => setOpen("delete")}>
            Delete dataset
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Modal opened={open === "columns"} onClose={close} title={`Columns of ${title}`}>
        <Facts
          facts={columnsOf(dataset.schema).map(({ name, type, nullable }) => [
            name,
            [humanise(type), nullable && "may be empty", dataset.key.includes(name) && "key"].filter(Boolean).join(", "),
          ])}
        />
      </Modal>
      <ActionDialog
        opened={open === "delete"}
        onClose={close}
        title={`Delete ${title}?`}
        action="Delete dataset"
        color="red"
        run={async () => {
          await remove.mutateAsync({ name: dataset.name });
          await client.invalidateQueries({
            queryKey: createConnectQueryKey({ schema: RecordsService.method.listDatasets, cardinality: undefined }),
          });
          done(`${title} is deleted.`);
          onDeleted();
        }}
      >
        The dataset and all its records are removed. This can't be undone.
      </ActionDialog>
    </>
  );
}
