import { ActionIcon, Button, Menu } from "@mantine/core";
import { IconDots } from "@tabler/icons-react";
import { useState } from "react";
import { type Run, Run_Command } from "@/gen/services/runs/v1/runs_pb";
import { CommandDialog } from "./command-dialog";
import { type Command, isCommand, rare, words } from "./commands";

// The commands that the run's state and the viewer's rights allow, as the server names them.
export function Steering({ run, onRetried }: { run: Run; onRetried: (run: Run) => void }) {
  const [asked, setAsked] = useState<Command>();
  const commands = run.commands.filter(isCommand);
  const seldom = commands.filter((command) => rare.has(command));
  return (
    <>
      {commands
        .filter((command) => !rare.has(command))
        .map((command) => (
          <CommandButton key={command} command={command} onAsk={setAsked} />
        ))}
      {seldom.length > 0 && (
        <Menu position="bottom-end">
          <Menu.Target>
            <ActionIcon variant="default" size={36} aria-label="More commands">
              <IconDots size={18} />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            {seldom.map((command) => {
              const { label, icon: Icon, color } = words[command];
              return (
                <Menu.Item key={command} color={color} leftSection={<Icon size={16} />} onClick={() => setAsked(command)}>
                  {label}
                </Menu.Item>
              );
            })}
          </Menu.Dropdown>
        </Menu>
      )}
      {asked && <CommandDialog command={asked} run={run} onClose={() => setAsked(undefined)} onRetried={onRetried} />}
    </>
  );
}

// Some of them again, where the reason for them stands.
export function CommandButtons({ run, commands }: { run: Run; commands: Command[] }) {
  const [asked, setAsked] = useState<Command>();
  return (
    <>
      {commands
        .filter((command) => run.commands.includes(command))
        .map((command) => (
          <CommandButton key={command} command={command} onAsk={setAsked} small />
        ))}
      {asked && <CommandDialog command={asked} run={run} onClose={() => setAsked(undefined)} />}
    </>
  );
}

function CommandButton({ command, onAsk, small }: { command: Command; onAsk: (command: Command) => void; small?: boolean }) {
  const { label, icon: Icon, color } = words[command];
  const light = command === Run_Command.CANCEL;
  return (
    <Button
      size={small ? "xs" : undefined}
      variant={light ? "light" : "default"}
      color={light ? color : undefined}
      leftSection={<Icon size={16} />}
      onClick={() => onAsk(command)}
    >
      {label}
    </Button>
  );
}
