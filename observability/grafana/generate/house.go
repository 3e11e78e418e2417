package main

// faults are the codes that a correct caller cannot cause; the same as in prometheus/rules.
const faults = `code=~"internal|unknown|unavailable|data_loss|deadline_exceeded"`

// house is the page an operator opens first: is it well, what is it doing, what does it use.
func house() dashboard {
	return dashboard{
		uid:         "mshub",
		title:       "MicroServiceHub",
		description: "Calls, runs, workers, live connections and resources of all roles.",
		rows: []row{
			{title: "Is it well?", panels: []panel{
				{title: "Roles down", description: "Processes that Prometheus cannot reach.", unit: count, width: 4, kind: stat, bad: 1,
					queries: []query{{`count(up{job="mshub"} == 0) or vector(0)`, "down"}}},
				{title: "Faults", description: "Share of calls that failed by our fault.", unit: ratio, width: 5, kind: stat, warn: 0.001, bad: 0.01,
					queries: []query{{`sum(rate(rpc_server_handled_total{job="mshub",` + faults + `}[$__rate_interval])) / sum(rate(rpc_server_handled_total{job="mshub"}[$__rate_interval]))`, "faults"}}},
				{title: "Oldest run not started", description: "Age of the oldest run whose workflow has not started.", unit: seconds, width: 5, kind: stat, warn: 10, bad: 60,
					queries: []query{{`max(mshub_runs_oldest_starting_seconds{job="mshub"})`, "age"}}},
				{title: "Signing key", description: "Age of the key that signs access tokens; it rotates after 30 days.", unit: seconds, width: 5, kind: stat, warn: 31 * 86400, bad: 32 * 86400,
					queries: []query{{`max(mshub_auth_signing_key_age_seconds{job="mshub"})`, "age"}}},
				{title: "Versions", description: "How many different builds are running; two only during a deploy.", unit: count, width: 5, kind: stat, warn: 2,
					queries: []query{{`count(count by (version, commit) (mshub_build_info{job="mshub"}))`, "builds"}}},
			}},
			{title: "Calls", panels: []panel{
				{title: "Calls by service", description: "Connect, gRPC and REST calls answered.", unit: perSecond, width: 8, kind: graph,
					queries: []query{{`sum by (service) (rate(rpc_server_handled_total{job="mshub",service=~"$service"}[$__rate_interval]))`, "{{service}}"}}},
				{title: "Calls that failed", description: "By code, callers' own mistakes included.", unit: perSecond, width: 8, kind: graph,
					queries: []query{{`sum by (code) (rate(rpc_server_handled_total{job="mshub",service=~"$service",code!="ok"}[$__rate_interval]))`, "{{code}}"}}},
				{title: "Duration", description: "Half and one in a hundred of the calls take longer.", unit: seconds, width: 8, kind: graph,
					queries: []query{
						{`histogram_quantile(0.5, sum by (le) (rate(rpc_server_duration_seconds_bucket{job="mshub",service=~"$service"}[$__rate_interval])))`, "p50"},
						{`histogram_quantile(0.99, sum by (le) (rate(rpc_server_duration_seconds_bucket{job="mshub",service=~"$service"}[$__rate_interval])))`, "p99"},
					}},
				{title: "Plain routes", description: "Pages, tokens, files: answers by route.", unit: perSecond, width: 8, kind: graph,
					queries: []query{{`sum by (route) (rate(http_server_handled_total{job="mshub"}[$__rate_interval]))`, "{{route}}"}}},
				{title: "Plain routes, slowest", description: "One in a hundred answers takes longer.", unit: seconds, width: 8, kind: graph,
					queries: []query{{`histogram_quantile(0.99, sum by (route, le) (rate(http_server_duration_seconds_bucket{job="mshub"}[$__rate_interval])))`, "{{route}}"}}},
				{title: "Tokens", description: "Answers of the token endpoint, by status.", unit: perSecond, width: 8, kind: graph,
					queries: []query{{`sum by (code) (rate(http_server_handled_total{job="mshub",route="/oauth2/token"}[$__rate_interval]))`, "{{code}}"}}},
			}},
			{title: "Runs and workers", panels: []panel{
				{title: "Open runs", description: "Rows that have not ended, by state.", unit: count, width: 8, kind: graph,
					queries: []query{{`max by (state) (mshub_runs_open{job="mshub"})`, "{{state}}"}}},
				{title: "Runs ended", description: "By process; failed runs include those that were undone.", unit: perSecond, width: 8, kind: graph,
					queries: []query{
						{`sum by (workflow_type) (rate(temporal_workflow_completed_total{job="mshub"}[$__rate_interval]))`, "{{workflow_type}} completed"},
						{`sum by (workflow_type) (rate(temporal_workflow_failed_total{job="mshub"}[$__rate_interval]))`, "{{workflow_type}} failed"},
					}},
				{title: "Waiting for a worker", description: "From scheduled to picked up; one in a hundred tasks waits longer.", unit: seconds, width: 8, kind: graph,
					queries: []query{
						{`histogram_quantile(0.99, sum by (task_queue, le) (rate(temporal_workflow_task_schedule_to_start_latency_seconds_bucket{job="mshub"}[$__rate_interval])))`, "workflow {{task_queue}}"},
						{`histogram_quantile(0.99, sum by (task_queue, le) (rate(temporal_activity_schedule_to_start_latency_seconds_bucket{job="mshub"}[$__rate_interval])))`, "activity {{task_queue}}"},
					}},
				{title: "Slots in use", description: "Share of a worker's slots that are taken.", unit: ratio, width: 8, kind: graph,
					queries: []query{{`sum by (task_queue, worker_type) (temporal_worker_task_slots_used{job="mshub"}) / (sum by (task_queue, worker_type) (temporal_worker_task_slots_used{job="mshub"}) + sum by (task_queue, worker_type) (temporal_worker_task_slots_available{job="mshub"}))`, "{{task_queue}} {{worker_type}}"}}},
				{title: "Pollers", description: "Who asks Temporal for work.", unit: count, width: 8, kind: graph,
					queries: []query{{`sum by (task_queue, poller_type) (temporal_num_pollers{job="mshub"})`, "{{task_queue}} {{poller_type}}"}}},
				{title: "Activities that failed", description: "Each failed attempt, retried or not.", unit: perSecond, width: 8, kind: graph,
					queries: []query{{`sum by (activity_type) (rate(temporal_activity_execution_failed_total{job="mshub"}[$__rate_interval]))`, "{{activity_type}}"}}},
			}},
			{title: "Live", panels: []panel{
				{title: "Connections", description: "WebSockets and event streams that are open.", unit: count, width: 8, kind: graph,
					queries: []query{{`sum by (transport) (mshub_live_connections{job="mshub"})`, "{{transport}}"}}},
				{title: "Connections closed", description: "By reason; slow means a client that did not read.", unit: perSecond, width: 8, kind: graph,
					queries: []query{{`sum by (reason) (rate(mshub_live_closed_total{job="mshub"}[$__rate_interval]))`, "{{reason}}"}}},
				{title: "Events delivered", description: "Handed to clients.", unit: perSecond, width: 8, kind: graph,
					queries: []query{{`sum(rate(mshub_live_events_total{job="mshub"}[$__rate_interval]))`, "events"}}},
			}},
			{title: "Resources", panels: []panel{
				{title: "Memory", description: "Resident memory of each role.", unit: bytesSI, width: 8, kind: graph,
					queries: []query{{`sum by (role) (process_resident_memory_bytes{job="mshub"})`, "{{role}}"}}},
				{title: "Processor", description: "Cores in use by each role.", unit: none, width: 8, kind: graph,
					queries: []query{{`sum by (role) (rate(process_cpu_seconds_total{job="mshub"}[$__rate_interval]))`, "{{role}}"}}},
				{title: "Goroutines", description: "A line that only rises is a leak.", unit: count, width: 8, kind: graph,
					queries: []query{{`sum by (role) (go_goroutines{job="mshub"})`, "{{role}}"}}},
			}},
			{title: "Log", panels: []panel{
				{title: "Warnings and errors", description: "What the roles complain about; a trace id leads to the rest.", unit: none, width: 24, kind: lines,
					queries: []query{{`{service="mshub", level=~"warn|error"} | json`, ""}}},
			}},
		},
	}
}
