import { Button, Group, Modal, Stack, Text, Textarea } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { Failure } from "./states";

interface ActionDialogProps {
  opened: boolean;
  onClose: () => void;
  title: string;
  children?: ReactNode;
  // What the button says: the action itself, not "OK".
  action: string;
  color?: string;
  // Asks for a reason; "required" refuses an empty one.
  reason?: "optional" | "required";
  // Resolves when done (the dialog closes) or rejects (the dialog stays and shows why).
  run: (reason: string) => Promise<unknown>;
}

// A dialog before something that matters: says what will happen, and takes the reason that the journal will show.
export function ActionDialog(props: ActionDialogProps) {
  return (
    <Modal opened={props.opened} onClose={props.onClose} title={props.title}>
      <Body {...props} />
    </Modal>
  );
}

function Body({ onClose, children, action, color, reason, run }: ActionDialogProps) {
  const [text, setText] = useState("");
  const [state, setState] = useState<{ busy: boolean; error?: unknown }>({ busy: false });
  const missing = reason === "required" && text.trim() === "";
  const submit = () => {
    if (missing) return;
    setState({ busy: true });
    run(text.trim()).then(onClose, (error: unknown) => setState({ busy: false, error }));
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <Stack gap="md">
        {children && (
          <Text size="sm" component="div">
            {children}
          </Text>
        )}
        {reason && (
          <Textarea
            label="Reason"
            description={reason === "optional" ? "Optional; shown in the journal." : "Shown in the journal."}
            autosize
            minRows={2}
            maxLength={1000}
            required={reason === "required"}
            data-autofocus
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
          />
        )}
        {state.error !== undefined && <Failure title="That did not work" error={state.error} />}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>
            Back
          </Button>
          <Button type="submit" color={color} loading={state.busy} disabled={missing}>
            {action}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
