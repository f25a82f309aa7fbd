-- Prints the results of wrk in a machine-readable form. Without a function `request` or `response`,
-- wrk does not enter Lua during the run.
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    "report requests=%d micros=%d p50=%d p99=%d p999=%d max=%d connect=%d read=%d write=%d status=%d timeout=%d\n",
    summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max,
    errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
