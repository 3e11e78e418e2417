// The console against a real house, in a real browser: sign in, import a file and watch it finish, invite, decide.
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

  const grace = await visitor();
  await grace.goto(await mail(page, "grace@example.com"));
  await grace.getByLabel("Password").fill(password);
  await grace.getByRole("button").first().click();

  await page.goto(`${house}/inbox`);
  await page.getByText("Grace Hopper").first().click();
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
  await onboard(ada);
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
