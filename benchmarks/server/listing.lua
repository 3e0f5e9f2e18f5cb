-- ListObjectsV2: one walk at the first page; what does not fit waits in a file for later pages.

local files = require "files"
local objects = require "objects"
local xml = require "xml"

local listing = {}

local function one_entry(bucket, key)
    local found = objects.look(bucket, key)
    if not found then return nil end
    return string.format(
        "<Contents><Key>%s</Key><LastModified>%s</LastModified><ETag>%s</ETag><Size>%d</Size>"
            .. "<StorageClass>STANDARD</StorageClass></Contents>",
        xml.escape(key), os.date("!%Y-%m-%dT%H:%M:%S.000Z", found.seconds),
        xml.escape(found.etag), found.size)
end

local function any_object(path)
    for _, name in ipairs(files.names(path) or {}) do
        local found = files.look(path .. "/" .. name)
        if found and (not found.is_folder or any_object(path .. "/" .. name)) then return true end
    end
    return false
end

-- Collect keys below `at` (empty, or with a slash at its end) that begin with the prefix.
local function walk(asked, at, keys)
    for _, name in ipairs(files.names(objects.path(asked.bucket, at)) or {}) do
        local key = at .. name
        local path = objects.path(asked.bucket, key)
        local found = files.look(path)
        local folder = found and found.is_folder
        local inside = key:sub(1, #asked.prefix) == asked.prefix
        if folder and inside and asked.delimiter == "/" then
            if any_object(path) then keys[#keys + 1] = key .. "/" end
        elseif folder and (inside or asked.prefix:sub(1, #key + 1) == key .. "/") then
            walk(asked, key .. "/", keys)
        elseif found and not folder and inside and key > asked.after then
            keys[#keys + 1] = key
        end
    end
end

local function render(asked, keys)
    local lines = {}
    for _, key in ipairs(keys) do
        if key:sub(-1) == "/" then
            lines[#lines + 1] = "<CommonPrefixes><Prefix>" .. xml.escape(key)
                .. "</Prefix></CommonPrefixes>"
        else
            lines[#lines + 1] = one_entry(asked.bucket, key)
        end
    end
    return lines
end

local function first_page(asked)
    local keys = {}
    walk(asked, asked.prefix:match "^.*/" or "", keys)
    table.sort(keys)
    local lines = render(asked, keys)
    if #lines <= asked.limit then return lines, nil end
    local id = objects.fresh()
    local file = assert(io.open(objects.root .. "/lists/" .. id, "wb"))
    for at = asked.limit + 1, #lines do file:write(lines[at], "\n") end
    file:close()
    for at = #lines, asked.limit + 1, -1 do lines[at] = nil end
    return lines, id .. "-0"
end

local function later_page(asked)
    local id, offset = asked.token:match "^(%d+%-%d+)%-(%d+)$"
    local file = id and io.open(objects.root .. "/lists/" .. id, "rb")
    if not file then return nil end
    file:seek("set", tonumber(offset))
    local lines = {}
    for _ = 1, asked.limit do lines[#lines + 1] = file:read "*l" end
    local following = file:seek()
    local more = file:read(1)
    file:close()
    return lines, more and id .. "-" .. following or nil
end

-- The answer to a listing as XML, or nil for a token of no listing.
function listing.answer(bucket, args)
    local asked = {
        bucket = bucket,
        prefix = type(args.prefix) == "string" and args.prefix or "",
        delimiter = args.delimiter,
        after = type(args["start-after"]) == "string" and args["start-after"] or "",
        limit = math.min(tonumber(args["max-keys"]) or 1000, 1000),
        token = args["continuation-token"],
    }
    local lines, following
    if type(asked.token) == "string" then
        lines, following = later_page(asked)
    else
        lines, following = first_page(asked)
    end
    if not lines then return nil end
    return table.concat {
        xml.HEAD, '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
        "<Name>", xml.escape(bucket), "</Name><Prefix>", xml.escape(asked.prefix), "</Prefix>",
        "<KeyCount>", #lines, "</KeyCount><MaxKeys>", asked.limit, "</MaxKeys>",
        "<IsTruncated>", following and "true" or "false", "</IsTruncated>",
        following and "<NextContinuationToken>" .. following .. "</NextContinuationToken>" or "",
        table.concat(lines), "</ListBucketResult>",
    }
end

return listing
