-- Where objects lie, and the steps that change them.
--
--   buckets/BUCKET/KEY    an object; one of several parts holds their sizes and is marked
--   parts/ID/N            the parts of such an object, and `whole` once somebody read across parts
--   uploads/ID/N          parts of an upload that is not complete
--   bodies/               request bodies as they come, and new files before they are renamed
--   lists/                listings under way

local files = require "files"

local objects = {}
local count = 0

-- Called once, before the workers are forked.
function objects.start(root)
    objects.root = root
    for _, name in ipairs { "buckets", "parts", "uploads", "lists" } do
        files.make_folder(root .. "/" .. name)
    end
end

-- A name that no other request, of either worker, has.
function objects.fresh()
    count = count + 1
    return string.format("%d-%d", ngx.worker.pid(), count)
end

function objects.path(bucket, key)
    return objects.root .. "/buckets/" .. bucket .. (key and "/" .. key or "")
end

function objects.temp() return objects.root .. "/bodies/new-" .. objects.fresh() end

function objects.upload_path(id, number)
    return objects.root .. "/uploads/" .. id .. (number and "/" .. number or "")
end

function objects.parts_path(id, name) return objects.root .. "/parts/" .. id .. "/" .. name end

-- The parts of a marked object: `{id=, sizes=, total=}`.
function objects.parts(path)
    local text = files.read(path)
    if not text then return nil end
    local id, rest = text:match "^(%S+)\n(.*)$"
    local sizes, total = {}, 0
    for size in rest:gmatch "%d+" do
        sizes[#sizes + 1] = tonumber(size)
        total = total + tonumber(size)
    end
    return { id = id, sizes = sizes, total = total }
end

-- What a key names now, or nil: as files.look, with the size of all parts and the key's parts.
function objects.look(bucket, key)
    local path = objects.path(bucket, key)
    local found = files.look(path)
    if not found or found.is_folder then return nil end
    if found.in_parts then
        found.parts = objects.parts(path)
        if not found.parts then return nil end
        found.size = found.parts.total
    end
    return found
end

-- Free the parts of an object that is about to go, unless a copy still needs them.
local function free_parts(path)
    local found = files.look(path)
    if found and found.in_parts and found.links == 1 then
        local parts = objects.parts(path)
        files.remove_folder(objects.root .. "/parts/" .. parts.id)
    end
end

-- Whether a conditional write may go on: 200, 404 or 412.
local function judge(path, condition)
    if not condition.none and not condition.match then return 200 end
    local found = files.look(path)
    if found and found.is_folder then found = nil end
    if condition.none then return found and 412 or 200 end
    if not found then return 404 end
    return found.etag == condition.match and 200 or 412
end

-- Make a file an object: 200, 404 or 412 as its condition wants, or 500.
function objects.install(file, bucket, key, condition)
    local path = objects.path(bucket, key)
    return files.alone(objects.root .. "/lock", function()
        local verdict = judge(path, condition)
        if verdict ~= 200 then return verdict end
        free_parts(path)
        return files.move(file, path) and 200 or 500
    end)
end

function objects.delete(bucket, key)
    local path = objects.path(bucket, key)
    files.alone(objects.root .. "/lock", function()
        free_parts(path)
        files.remove(path)
    end)
end

-- Give an object a second key. Objects are never changed in place, so a link is a copy.
function objects.copy(from, bucket, key)
    local path = objects.path(bucket, key)
    return files.alone(objects.root .. "/lock", function()
        if path ~= from then free_parts(path) end
        return files.copy(from, path, objects.temp())
    end)
end

-- Join parts to an object without moving a byte: it becomes a list of them.
function objects.join(id, numbers, bucket, key, condition)
    local uploaded, joined = objects.upload_path(id), objects.root .. "/parts/" .. id
    if not files.rename(uploaded, joined) then return 404 end
    local lines = { id }
    for at, number in ipairs(numbers) do
        lines[at + 1] = tostring(files.look(joined .. "/" .. number).size)
    end
    local list = objects.temp()
    files.write(list, table.concat(lines, "\n") .. "\n")
    files.mark(list)
    -- Before anybody can see the list. Ascending, so that none is overwritten before its turn.
    for at, number in ipairs(numbers) do
        if at ~= number then files.rename(joined .. "/" .. number, joined .. "/" .. at) end
    end
    local verdict = objects.install(list, bucket, key, condition)
    if verdict ~= 200 then
        files.remove(list)
        files.remove_folder(joined)
    end
    return verdict
end

-- One file with all bytes of a marked object, made when somebody first reads across its parts.
function objects.whole(parts)
    local path = objects.parts_path(parts.id, "whole")
    return files.alone(objects.root .. "/lock", function()
        if files.look(path) then return path end
        local ranges, temp = {}, objects.temp()
        for at, size in ipairs(parts.sizes) do
            ranges[at] = { objects.parts_path(parts.id, at), 0, size }
        end
        if not files.gather(ranges, temp) or not files.move(temp, path) then return nil end
        for at in ipairs(parts.sizes) do files.remove(objects.parts_path(parts.id, at)) end
        return path
    end)
end

return objects
