import { Button, Group, Modal, Stack, Text, Textarea } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { problemOf } from "@/lib/errors";
import { useFocusReturn } from "./focus";
import { Failure } from "./states";

interface ActionDialogProps {
  opened: boolean;
  onClose: () => void;
  title: string;
  // What will happen, and what else must be chosen; a function is told the faults that the server found, by field.
  children?: ReactNode | ((faults: Record<string, string>) => ReactNode);
  // What the button says: the action itself, not "OK".
  action: string;
  color?: string;
  // Asks for a reason; "required" refuses an empty one.
  reason?: "optional" | "required";
  // Where the reason will be read.
  shownIn?: string;
  // Something in `children` is still to be chosen.
  incomplete?: boolean;
  size?: string;
  // Resolves when done (the dialog closes) or rejects (the dialog stays and shows why).
  run: (reason: string) => Promise<unknown>;
}

// A dialog before something that matters: says what will happen, and takes the reason that the journal will show.
export function ActionDialog(props: ActionDialogProps) {
  return (
    <Modal opened={props.opened} onClose={props.onClose} title={props.title} size={props.size}>
      <Body {...props} />
    </Modal>
  );
}

function Body({ onClose, children, action, color, reason, shownIn = "the journal", incomplete = false, run }: ActionDialogProps) {
  useFocusReturn();
  const [text, setText] = useState("");
  const [state, setState] = useState<{ busy: boolean; error?: unknown }>({ busy: false });
  const faults = state.error === undefined ? {} : problemOf(state.error).fields;
  const missing = incomplete || (reason === "required" && text.trim() === "");
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
            {typeof children === "function" ? children(faults) : children}
          </Text>
        )}
        {reason && (
          <Textarea
            label="Reason"
            description={reason === "optional" ? `Optional; shown in ${shownIn}.` : `Shown in ${shownIn}.`}
            autosize
            minRows={2}
            maxLength={1000}
            required={reason === "required"}
            data-autofocus
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
            error={faults.reason}
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
