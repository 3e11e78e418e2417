import { Alert, Button, FileButton, Group, Input, MultiSelect, Select, Stack } from "@mantine/core";
import type { WidgetProps } from "@rjsf/utils";
import { IconUpload } from "@tabler/icons-react";
import { problemOf } from "@/lib/errors";
import { useStoredFiles } from "./stored-files";
import { UploadProgress } from "./upload-progress";

// For text of the form "files/ID": a file that is there already, or a new one from this computer.
export function FileWidget(props: WidgetProps) {
  const { id, onChange, disabled } = props;
  const stored = useStoredFiles();
  return (
    <Frame {...props} stored={stored} onAdded={(name) => onChange(name)}>
      <Select
        id={id}
        flex={1}
        searchable
        openOnFocus={false}
        clearable
        disabled={disabled}
        placeholder="Choose an uploaded file"
        nothingFoundMessage="No such file"
        value={(props.value as string | undefined) ?? null}
        onChange={(name) => onChange(name ?? undefined)}
        data={stored.choices}
      />
    </Frame>
  );
}

// For a list of them: the documents that belong to a decision.
export function FilesWidget(props: WidgetProps) {
  const { id, onChange, disabled, schema } = props;
  const stored = useStoredFiles();
  const names = (props.value as string[] | undefined) ?? [];
  return (
    <Frame {...props} stored={stored} onAdded={(name) => onChange([...names, name])}>
      <MultiSelect
        id={id}
        flex={1}
        searchable
        openOnFocus={false}
        disabled={disabled}
        maxValues={schema.maxItems}
        placeholder={names.length > 0 ? undefined : "Choose uploaded files"}
        nothingFoundMessage="No such file"
        value={names}
        onChange={(chosen) => onChange(chosen.length > 0 ? chosen : undefined)}
        data={stored.choices}
      />
    </Frame>
  );
}

interface FrameProps extends WidgetProps {
  stored: ReturnType<typeof useStoredFiles>;
  onAdded: (name: string) => void;
}

// Label, upload button, how far the upload is.
function Frame({ id, label, required, rawErrors, schema, disabled, stored, onAdded, children }: FrameProps) {
  const { upload, picked, add } = stored;
  return (
    <Input.Wrapper id={id} label={label} required={required} description={schema.description} error={rawErrors?.join(" ")}>
      <Stack gap="xs" mt={5}>
        <Group gap="xs" wrap="nowrap" align="flex-start">
          {children}
          <FileButton
            onChange={(file) => file && void add(file).then((name) => name && onAdded(name))}
            inputProps={{ "data-testid": `${id}-upload` } as object}
          >
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
