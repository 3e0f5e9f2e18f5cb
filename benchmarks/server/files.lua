-- What the server asks of the kernel, by direct calls: nothing here yields, so that a check and
-- the rename after it, both under the lock, are one step for both worker processes.

local ffi = require "ffi"
local bit = require "bit"

ffi.cdef [[
struct statx_timestamp { int64_t tv_sec; uint32_t tv_nsec; int32_t reserved; };
struct statx {
    uint32_t mask, blksize; uint64_t attributes;
    uint32_t nlink, uid, gid; uint16_t mode, spare0;
    uint64_t ino, size, blocks, attributes_mask;
    struct statx_timestamp atime, btime, ctime, mtime;
    uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
    uint64_t spare[14];
};
struct dirent64 {
    uint64_t ino; int64_t off; uint16_t reclen; uint8_t type; char name[256];
};
int statx(int dir, const char *path, int flags, unsigned mask, struct statx *found);
int rename(const char *from, const char *to);
int link(const char *from, const char *to);
int unlink(const char *path);
int rmdir(const char *path);
int mkdir(const char *path, unsigned mode);
int chmod(const char *path, unsigned mode);
int open(const char *path, int flags, ...);
int close(int fd);
int flock(int fd, int operation);
ssize_t copy_file_range(int from, int64_t *from_at, int to, int64_t *to_at, size_t size,
                        unsigned flags);
void *opendir(const char *path);
struct dirent64 *readdir64(void *folder);
int closedir(void *folder);
]]

local C = ffi.C
local AT_FDCWD, AT_SYMLINK_NOFOLLOW, STATX_BASIC = -100, 0x100, 0x7ff
local S_IFMT, S_IFDIR, MARK = 0xf000, 0x4000, 0x40
local O_RDONLY, O_WRONLY, O_CREAT, O_EXCL = 0, 1, 0x40, 0x80
local LOCK_EX, LOCK_UN, DT_DIR = 2, 8, 4
local ENOENT, EEXIST, EISDIR = 2, 17, 21
local seen = ffi.new "struct statx"

local files = {}

-- What a path names, or nil. An object of several parts is marked by its owner's x bit.
function files.look(path)
    if C.statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC, seen) ~= 0 then
        return nil
    end
    return {
        is_folder = bit.band(seen.mode, S_IFMT) == S_IFDIR,
        in_parts = bit.band(seen.mode, MARK) ~= 0,
        size = tonumber(seen.size),
        links = seen.nlink,
        seconds = tonumber(seen.mtime.tv_sec),
        -- Not an MD5, and by its end not taken for one. A new object is a new file.
        etag = string.format('"%08x%08x%08x%08x-1"', tonumber(seen.ino % 0x100000000ULL),
            tonumber(seen.mtime.tv_sec % 0x100000000LL), seen.mtime.tv_nsec,
            tonumber(seen.size % 0x100000000ULL)),
    }
end

-- Make the folders above a path.
function files.make_way(path)
    local at = 1
    while true do
        at = path:find("/", at + 1, true)
        if not at then return end
        C.mkdir(path:sub(1, at - 1), 448) -- 0700
    end
end

-- Rename, making the folders above the target where they are missing.
function files.move(from, to)
    if C.rename(from, to) == 0 then return true end
    if ffi.errno() == ENOENT then files.make_way(to) end
    if ffi.errno() == EISDIR then C.rmdir(to) end -- what deleted objects left behind
    return C.rename(from, to) == 0
end

function files.rename(from, to) return C.rename(from, to) == 0 end

-- Give a file a second name, replacing what had it.
function files.copy(from, to, spare)
    if C.link(from, spare) ~= 0 then return false end
    local done = files.move(spare, to)
    C.unlink(spare) -- a rename between two names of one file does nothing
    return done
end

function files.mark(path) return C.chmod(path, 448) == 0 end -- 0700

function files.remove(path) return C.unlink(path) == 0 end

function files.make_folder(path) return C.mkdir(path, 448) == 0 or ffi.errno() == EEXIST end

-- Names in a folder, and which of them are folders; `.` and `..` left out, empty if there is none.
function files.names(path)
    local names, folders, folder = {}, {}, C.opendir(path)
    if folder == nil then return names, folders end
    while true do
        local entry = C.readdir64(folder)
        if entry == nil then break end
        local name = ffi.string(entry.name)
        if name ~= "." and name ~= ".." then
            names[#names + 1] = name
            folders[name] = entry.type == DT_DIR or nil
        end
    end
    C.closedir(folder)
    return names, folders
end

-- Remove a folder that holds only files.
function files.remove_folder(path)
    for _, name in ipairs((files.names(path))) do C.unlink(path .. "/" .. name) end
    return C.rmdir(path) == 0
end

function files.read(path)
    local file = io.open(path, "rb")
    if not file then return nil end
    local text = file:read "*a"
    file:close()
    return text
end

function files.write(path, text)
    local file = assert(io.open(path, "wb"))
    file:write(text)
    file:close()
end

-- Copy ranges of files, `{path, start, size}` each, to a new file; within the kernel.
function files.gather(ranges, to)
    local target = C.open(to, bit.bor(O_WRONLY, O_CREAT, O_EXCL), ffi.cast("int", 384)) -- 0600
    if target < 0 then return false end
    local position = ffi.new "int64_t[1]"
    local whole = true
    for _, range in ipairs(ranges) do
        local source, left = C.open(range[1], O_RDONLY), range[3]
        position[0] = range[2]
        while left > 0 do
            local copied = tonumber(C.copy_file_range(source, position, target, nil, left, 0))
            if copied <= 0 then whole = false break end
            left = left - copied
        end
        C.close(source)
    end
    C.close(target)
    return whole
end

-- Run a function while no other worker process runs one.
function files.alone(lock_path, work)
    if not files.lock then files.lock = C.open(lock_path, bit.bor(O_WRONLY, O_CREAT),
        ffi.cast("int", 384)) end
    C.flock(files.lock, LOCK_EX)
    local ok, answer = pcall(work)
    C.flock(files.lock, LOCK_UN)
    if not ok then error(answer) end
    return answer
end

return files
