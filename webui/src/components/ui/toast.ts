import { notifications } from "@mantine/notifications";
import { problemOf } from "@/lib/errors";

// A short word that something was done; read out by screen readers.
export const done = (message: string) => notifications.show({ message, color: "teal", autoClose: 4000 });

// For actions without a dialog or form of their own in which the fault could be shown.
export const failed = (error: unknown) =>
  notifications.show({ title: "That did not work", message: problemOf(error).sentence, color: "red", autoClose: 8000 });
