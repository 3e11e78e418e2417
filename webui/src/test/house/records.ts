import { RecordsService, Reject_State } from "@/gen/services/records/v1/records_pb";
import { ago } from "../factories";
import type { FakeHouse } from "./house";
import { missing, type Serve } from "./serve";

// Two datasets with the same rows, whatever is asked for; rejects can be corrected.
export function records(serve: Serve, house: FakeHouse) {
  serve(RecordsService, {
    listDatasets: () => ({ datasets: [flights, planes] }),
    getDataset: ({ name }) => [flights, planes].find((dataset) => dataset.name === name) ?? missing(),
    createDataset: ({ datasetId, dataset }) => ({
      title: dataset?.title,
      schema: dataset?.schema,
      key: dataset?.key,
      name: `datasets/${datasetId}`,
    }),
    countRecords: () => ({ count: 336_776n }),
    listRecords: () => ({ records: flightRows, nextPageToken: "next" }),
    listRejects: () => ({ rejects: house.rejects }),
    updateReject: ({ reject }) => {
      const found = house.rejects.find(({ name }) => name === reject?.name) ?? missing();
      const corrected = { ...found, state: Reject_State.CORRECTED, cells: { ...found.cells, ...reject?.cells } };
      house.rejects = house.rejects.map((one) => (one === found ? corrected : one));
      return corrected;
    },
    proposeSchema: () => ({
      schema: flightsSchema,
      rows: 2_947n,
      columns: Object.entries(flightsSchema.properties).map(([name, { type }]) => ({
        name,
        type,
        nullable: !flightsSchema.required.includes(name),
        unique: false,
        examples: flightRows
          .map(({ data }) => JSON.stringify((data as Record<string, unknown>)[name] ?? "").replaceAll('"', ""))
          .slice(0, 3),
      })),
    }),
  });
}

const integer = { type: "integer" };
const flightsSchema = {
  type: "object",
  properties: {
    time_hour: { type: "string", format: "date-time" },
    carrier: { type: "string" },
    flight: integer,
    tailnum: { type: "string" },
    origin: { type: "string" },
    dest: { type: "string" },
    dep_time: integer,
    dep_delay: { type: "number" },
    arr_delay: { type: "number" },
    distance: { type: "number" },
  },
  required: ["time_hour", "carrier", "flight", "origin", "dest", "distance"],
};

const flightRows = Array.from({ length: 18 }, (_, index) => {
  const carrier = ["UA", "AA", "B6", "DL", "EV"][index % 5] ?? "UA";
  const time = `2013-01-01T${String(5 + Math.floor(index / 4)).padStart(2, "0")}:00:00Z`;
  return {
    name: `datasets/flights/records/${index}`,
    key: [time, carrier, String(1500 + index * 7)],
    data: {
      time_hour: time,
      carrier,
      flight: 1500 + index * 7,
      tailnum: `N${14228 + index * 31}`,
      origin: ["EWR", "LGA", "JFK"][index % 3] ?? "EWR",
      dest: ["IAH", "MIA", "BQN", "ATL"][index % 4] ?? "IAH",
      dep_time: 517 + index * 9,
      dep_delay: index % 6 === 5 ? null : (index * 5) % 17,
      arr_delay: index % 6 === 5 ? null : 11 - index,
      distance: 700 + index * 45,
    },
    createTime: ago(900),
    updateTime: ago(900),
  };
});

const flights = {
  name: "datasets/flights",
  title: "Flights 2013",
  schema: flightsSchema,
  key: ["time_hour", "carrier", "flight"],
  createTime: ago(86_400 * 2),
  updateTime: ago(400),
};
const planes = {
  name: "datasets/planes",
  title: "Planes",
  schema: {
    type: "object",
    properties: { tailnum: { type: "string" }, year: { type: "integer" }, seats: { type: "integer" } },
    required: ["tailnum"],
  },
  key: ["tailnum"],
  createTime: ago(86_400 * 9),
  updateTime: ago(86_400),
};
