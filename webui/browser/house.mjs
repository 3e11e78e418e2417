// The console against a real house, in a real browser: sign in, import a file and watch it finish, correct what was
// rejected, invite, pause and resume, decide, start by schedule.
// Run by the end-to-end test with MSHUB_URL, MSHUB_LINK (the first administrator's) and MSHUB_FILE; MSHUB_IMAGES names the
// folder for the pictures. Exits 1 with a sentence when something is not as it should be.
import { join } from "node:path";
import { chromium } from "playwright-core";

const { MSHUB_URL: house, MSHUB_LINK: link, MSHUB_FILE: file, MSHUB_IMAGES: images } = process.env;
const password = "correct horse battery staple";

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const complaints = [];

async function visitor() {
  const context = await browser.newContext({
    viewport: { width: 1360, height: 860 },
    colorScheme: "light",
    reducedMotion: "reduce",
  });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  page.on("pageerror", (error) => complaints.push(`${page.url()}: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error" && !/401 \(Unauthorized\)/.test(message.text()))
      complaints.push(`${page.url()}: ${message.text()}`);
  });
  return page;
}

const picture = (page, name) => page.screenshot({ path: join(images, `${name}.png`) });

async function firstAdministrator(page) {
  await page.goto(link);
  await page.getByLabel("Name").fill("Ada Lovelace");
  await page.getByLabel("E-mail").fill("ada@example.com");
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button").click();
  await page.getByRole("navigation").first().waitFor();
}

async function importFlights(page) {
  await page.goto(`${house}/import`);
  await page.getByTestId("import-file").setInputFiles(file);
  await page.getByRole("form", { name: "New dataset" }).waitFor();
  await page.getByRole("textbox", { name: "Name", exact: true }).fill("flights");
  for (const column of ["time_hour", "carrier", "flight"])
    await page.getByRole("checkbox", { name: `${column} is part of the key` }).check();
  await picture(page, "columns");
  await page.getByRole("button", { name: "Create and continue" }).click();
  await page.getByRole("button", { name: "Start the import" }).click();
  await page.getByTestId("run-state").waitFor();
  await page.getByText(/[1-9][0-9]*,000 of 336,776 rows/).waitFor();
  await picture(page, "import");
  await page.getByTestId("result-inserted").getByText("336,776").waitFor({ timeout: 180_000 });
  await picture(page, "imported");
  await page.goto(`${house}/datasets/flights`);
  await page.getByRole("cell", { name: "UA" }).first().waitFor();
  await picture(page, "records");
}

// A row that does not fit is kept, corrected in its place, and taken in by a second run.
async function correctRejects(page) {
  const upload = async (name, text, target) => {
    await page.goto(`${house}/import`);
    await page.getByTestId("import-file").setInputFiles({ name, mimeType: "text/csv", buffer: Buffer.from(text) });
    await target();
    await page.getByRole("button", { name: "Start the import" }).click();
  };
  await upload("seats.csv", "tailnum,seats\nN14228,149\nN24211,149\n", async () => {
    await page.getByRole("form", { name: "New dataset" }).waitFor();
    await page.getByRole("checkbox", { name: "tailnum is part of the key" }).check();
    await page.getByRole("button", { name: "Create and continue" }).click();
  });
  await page.getByTestId("run-state").getByText("Completed").waitFor();
  await upload("more.csv", "tail,seats,remark\nN619AA ,many,\nN39463 ,189,new\n", async () => {
    await page.getByRole("radio", { name: "Use an existing dataset" }).check();
    await page.getByRole("combobox", { name: "Dataset" }).click();
    await page.getByRole("option", { name: "Seats" }).click();
    await page.getByText("The dataset has no column for “tail”, “remark”").waitFor();
    await page.getByRole("combobox", { name: "Column of the dataset for tail" }).click();
    await page.getByRole("option", { name: "tailnum" }).click();
    await page.getByRole("button", { name: "Values of tail:" }).click();
    await page.getByRole("checkbox", { name: "Leave out spaces around them" }).check();
    await page.getByRole("button", { name: "Continue", exact: true }).click();
  });
  const row = page.getByTestId("reject").first();
  await row.getByRole("textbox", { name: "seats" }).fill("178");
  await picture(page, "rejects");
  await row.getByRole("button", { name: "Save correction" }).click();
  await row.getByText("Corrected", { exact: true }).waitFor();
  const first = page.url();
  await page.getByRole("button", { name: "Import these rows again" }).click();
  await page.waitForURL((url) => url.href !== first);
  await page.getByTestId("result-inserted").getByText("1", { exact: true }).waitFor();
}

async function giveCommand(page, command, state) {
  await page.getByRole("button", { name: command, exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Reason").fill("tried out");
  await dialog.getByRole("button", { name: command, exact: true }).click();
  await page.getByTestId("run-state").getByText(state).waitFor();
}

async function startBySchedule(page) {
  await page.goto(`${house}/schedules?create=true&process=recordexport`);
  await page.getByRole("textbox", { name: "Title" }).fill("Flights every night");
  await page.getByRole("combobox", { name: /^Times/ }).fill("30 2 * * *");
  await page.keyboard.press("Tab");
  await page.getByRole("combobox", { name: /^Dataset/ }).click();
  await page.getByRole("option", { name: "Flights" }).click();
  await page.getByRole("button", { name: "Create schedule" }).click();
  await page.getByTestId("next-times").getByRole("listitem").nth(4).waitFor();
  await picture(page, "schedule");
  await page.getByRole("button", { name: "Run now" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Run now" }).click();
  await page.getByTestId("run-state").getByText("Completed").waitFor({ timeout: 180_000 });
  await page.getByRole("button", { name: /^Download flights/ }).waitFor();
}

async function mail(page, recipient) {
  const address = `${house}/dev/mailbox?format=json&to=${encodeURIComponent(recipient)}`;
  for (let tries = 0; tries < 100; tries++) {
    const { mails } = await (await page.request.get(address)).json();
    const found = mails?.map(({ text }) => /http\S+\/verify\?link=[\w-]+/.exec(text)?.[0]).find(Boolean);
    if (found) return found;
    await page.waitForTimeout(200);
  }
  throw new Error(`no invitation for ${recipient} in the mailbox`);
}

async function onboard(page) {
  await page.goto(`${house}/processes/onboarding`);
  await page.getByLabel(/^Email/i).fill("grace@example.com");
  await page.getByLabel(/^Display name/i).fill("Grace Hopper");
  await chooseRole(page, "member");
  await page.getByRole("button", { name: /^Start/ }).click();
  await page.getByTestId("run-state").waitFor();
  const run = page.url();

  // It waits for Grace, who has all the time in the world.
  await page.getByTestId("run-state").getByText("Waiting").waitFor();
  await giveCommand(page, "Pause", "Paused");
  await giveCommand(page, "Resume", /Waiting|Running/);

  const grace = await visitor();
  await grace.goto(await mail(page, "grace@example.com"));
  await grace.getByLabel("Password").fill(password);
  await grace.getByRole("button").first().click();

  await page.goto(`${house}/inbox`);
  await page.getByText("Grace Hopper").first().click();
  await page.getByRole("button", { name: "Claim" }).click();
  await page.getByRole("button", { name: "Release" }).waitFor();
  await picture(page, "inbox");
  await page.getByRole("button", { name: "Approve", exact: true }).click();
  await page.goto(run);
  await page.getByTestId("run-state").getByText("Completed").waitFor();
  await picture(page, "run");
  await page.goto(`${house}/runs`);
  await page.getByRole("cell").first().waitFor();
  await picture(page, "runs");
}

async function chooseRole(page, role) {
  const field = page.getByLabel(/^Role/i).first();
  await field.click();
  await field.fill(role).catch(() => undefined);
  await page
    .getByRole("option", { name: new RegExp(role, "i") })
    .first()
    .click();
}

try {
  const ada = await visitor();
  await firstAdministrator(ada);
  await importFlights(ada);
  await correctRejects(ada);
  await onboard(ada);
  await startBySchedule(ada);
  if (complaints.length > 0) throw new Error(`the browser complained:\n${complaints.join("\n")}`);
  console.log("the console works");
} catch (error) {
  for (const context of browser.contexts())
    for (const page of context.pages()) await picture(page, `failed-${Date.now()}`).catch(() => undefined);
  console.error(error);
  process.exitCode = 1;
} finally {
  await browser.close();
}
