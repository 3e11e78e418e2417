import { createConnectQueryKey, useQuery } from "@connectrpc/connect-query";
import { Alert, Button, FileButton, Group, Input, Select, Stack } from "@mantine/core";
import type { WidgetProps } from "@rjsf/utils";
import { IconUpload } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { File_State, FilesService } from "@/gen/services/files/v1/files_pb";
import { problemOf } from "@/lib/errors";
import { formatBytes } from "@/lib/number";
import { date, formatRelative } from "@/lib/time";
import { UploadProgress } from "./upload-progress";
import { useUpload } from "./use-upload";

// For text of the form "files/ID": a file that is there already, or a new one from this computer.
export function FileWidget({ id, label, required, value, onChange, rawErrors, schema, disabled }: WidgetProps) {
  const client = useQueryClient();
  const upload = useUpload();
  const [picked, setPicked] = useState("");
  const { data } = useQuery(FilesService.method.listFiles, { pageSize: 100 });
  const files = (data?.files ?? []).filter(({ state }) => state === File_State.READY);
  const send = async (file: File | null) => {
    if (!file) return;
    setPicked(file.name);
    const stored = await upload.start(file);
    if (!stored) return;
    await client.invalidateQueries({
      queryKey: createConnectQueryKey({ schema: FilesService.method.listFiles, cardinality: "finite" }),
    });
    onChange(stored.name);
  };
  return (
    <Input.Wrapper id={id} label={label} required={required} description={schema.description} error={rawErrors?.join(" ")}>
      <Stack gap="xs" mt={5}>
        <Group gap="xs" wrap="nowrap">
          <Select
            id={id}
            flex={1}
            searchable
            openOnFocus={false}
            clearable
            disabled={disabled}
            placeholder="Choose an uploaded file"
            nothingFoundMessage="No such file"
            value={(value as string | undefined) ?? null}
            onChange={(name) => onChange(name ?? undefined)}
            data={files.map(({ name, fileName, size, createTime }) => ({
              value: name,
              label: `${fileName} · ${formatBytes(size)} · ${formatRelative(date(createTime) ?? new Date(), new Date())}`,
            }))}
          />
          <FileButton onChange={(file) => void send(file)} inputProps={{ "data-testid": `${id}-upload` } as object}>
            {(props) => (
              <Button
                {...props}
                variant="default"
                leftSection={<IconUpload size={16} />}
                disabled={disabled}
                loading={Boolean(upload.progress)}
              >
                Upload
              </Button>
            )}
          </FileButton>
        </Group>
        {upload.progress && <UploadProgress name={picked} progress={upload.progress} onStop={upload.stop} />}
        {upload.error !== undefined && (
          <Alert color="red" role="alert">
            {problemOf(upload.error).sentence}
          </Alert>
        )}
      </Stack>
    </Input.Wrapper>
  );
}
