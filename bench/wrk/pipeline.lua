-- Sends the given number of requests in one segment.
dofile("report.lua")

function init(args)
  local one = {}
  for i = 1, tonumber(args[1]) do
    one[i] = wrk.format()
  end
  batch = table.concat(one)
end

function request()
  return batch
end
