-- Requests the given number of paths in turn: /r/0, /r/1 and so on.
dofile("report.lua")

function init(args)
  count = tonumber(args[1])
  requests = {}
  for i = 0, count - 1 do
    requests[i] = wrk.format("GET", "/r/" .. i)
  end
  turn = 0
end

function request()
  turn = (turn + 1) % count
  return requests[turn]
end
