import { Button, Divider, FileButton, Group, Paper, Stack, Text, TextInput } from "@mantine/core";
import { IconFileTypeCsv, IconUpload } from "@tabler/icons-react";
import { useState } from "react";
import { type Proposal, usePropose } from "@/components/datasets/propose";
import { UploadProgress } from "@/components/forms/upload-progress";
import { useUpload } from "@/components/forms/use-upload";
import { Failure } from "@/components/ui/states";
import type { File as StoredFile } from "@/gen/services/files/v1/files_pb";
import { formatBytes } from "@/lib/number";

// Where the rows come from: a file that was uploaded from this computer, or one that the house fetches by itself.
export type Source = { kind: "file"; stored: StoredFile; local: File } | { kind: "address"; url: string };

export const titleOf = (source: Source) =>
  source.kind === "file" ? source.stored.fileName : source.url.slice(source.url.lastIndexOf("/") + 1);

export const describeSource = (source: Source) =>
  source.kind === "file" ? `${source.stored.fileName}, ${formatBytes(source.stored.size)}` : source.url;

// An address that the house may fetch; which ones, its policy says.
const ADDRESS = /^(https?|s3):\/\/[^/\s]+\/\S+$/;

interface ChooseSourceProps {
  onDone: (source: Source, proposal: Proposal | undefined) => void;
}

export function ChooseSource({ onDone }: ChooseSourceProps) {
  const upload = useUpload();
  const proposing = usePropose();
  const [name, setName] = useState("");
  const [over, setOver] = useState(false);
  const busy = upload.progress !== undefined || proposing.isPending;
  const take = async (file: File | null | undefined) => {
    if (!file || busy) return;
    setName(file.name);
    // A file that can't be read as a table is told before its megabytes travel.
    const proposal = await proposing.propose(file).catch(() => undefined);
    if (!proposal) return;
    const stored = await upload.start(file);
    if (stored) onDone({ kind: "file", stored, local: file }, proposal);
  };
  return (
    <Stack gap="md" mt="md">
      <Paper
        p={40}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          void take(event.dataTransfer.files[0]);
        }}
        style={{ borderStyle: "dashed", borderWidth: 2, borderColor: over ? "var(--mantine-primary-color-filled)" : undefined }}
        bg={over ? "var(--mantine-primary-color-light)" : undefined}
      >
        <Stack align="center" gap="xs">
          <IconFileTypeCsv size={40} stroke={1.3} aria-hidden />
          <Text fw={550}>Drop a file here</Text>
          <Text size="sm" c="dimmed">
            CSV, NDJSON or a JSON array, plain or packed with gzip or zstd
          </Text>
          <FileButton
            onChange={(file) => void take(file)}
            inputProps={{ "data-testid": "import-file", "aria-label": "File to import" } as object}
          >
            {(props) => (
              <Button {...props} leftSection={<IconUpload size={16} />} loading={busy}>
                Choose a file
              </Button>
            )}
          </FileButton>
        </Stack>
      </Paper>
      {upload.progress && <UploadProgress name={name} progress={upload.progress} onStop={upload.stop} />}
      {proposing.error && <Failure title={`${name} can't be read as a table`} error={proposing.error} />}
      {upload.error !== undefined && <Failure title="The upload did not succeed" error={upload.error} />}
      <Divider label="or" />
      <Address disabled={busy} onDone={(url) => onDone({ kind: "address", url }, undefined)} />
    </Stack>
  );
}

function Address({ disabled, onDone }: { disabled: boolean; onDone: (url: string) => void }) {
  const [url, setUrl] = useState("");
  const [tried, setTried] = useState(false);
  const fits = ADDRESS.test(url.trim());
  return (
    <form
      aria-label="From an address"
      onSubmit={(event) => {
        event.preventDefault();
        setTried(true);
        if (fits) onDone(url.trim());
      }}
    >
      <Group gap="sm" align="flex-start">
        <TextInput
          flex={1}
          miw={240}
          label="From an address"
          description="The house fetches the file itself, from places that its administrator allows."
          placeholder="https://host/path or s3://bucket/key"
          value={url}
          disabled={disabled}
          onChange={(event) => setUrl(event.currentTarget.value)}
          error={tried && !fits ? "An address looks like https://host/path or s3://bucket/key." : undefined}
        />
        <Button type="submit" variant="default" disabled={disabled} mt={{ base: 0, xs: 46 }}>
          Continue
        </Button>
      </Group>
    </form>
  );
}
