import { ByteReader } from './byte-reader.js';
import { readPickle } from './pickle.js';
import { type StorageTable, torchRules } from './rebuild.js';
import { quoted, refuseFile, STORAGE_TYPES, type TorchFile } from './values.js';
import { openStoredZip } from './zip.js';

const PICKLE_NAME = 'data.pkl';

/** The folder that everything lies in: it is called as the file was when it was saved. */
function findFolder(names: readonly string[], where: string): string {
  const pickles = names.filter((name) => name === PICKLE_NAME || name.endsWith(`/${PICKLE_NAME}`));
  const [pickle] = pickles;
  if (pickle === undefined || pickles.length > 1) {
    const found = names.slice(0, 3).map(quoted).join(', ');
    return refuseFile(
      where,
      `its zip has ${pickles.length} members ${PICKLE_NAME} where there is one in files of torch.save; it has ${found || 'none at all'}`,
    );
  }
  const folder = pickle.slice(0, -PICKLE_NAME.length);
  if (names.includes(`${folder}constants.pkl`)) {
    refuseFile(
      where,
      'it is a TorchScript program; wanted are tensors, as torch.save(model.state_dict(), FILE) writes them',
    );
  }
  return folder;
}

/** Opens the container of PyTorch 1.6 and later: a zip of a pickle and one member for each storage. */
export function openArchive(bytes: Uint8Array, where: string): TorchFile {
  const zip = openStoredZip(bytes, where);
  const folder = findFolder(zip.names, where);
  const order = zip.read(`${folder}byteorder`);
  if (order !== undefined && String.fromCharCode(...order.subarray(0, 8)) !== 'little') {
    refuseFile(where, 'its numbers are big-endian; read are little-endian ones');
  }
  const storages: StorageTable = new Map();
  const pickle = zip.read(`${folder}${PICKLE_NAME}`) ?? new Uint8Array(0); // findFolder found it
  const root = readPickle(new ByteReader(pickle, where), torchRules(storages, where));
  const read = new Map<string, Uint8Array>();
  return {
    where,
    format: 'zip',
    root,
    storageBytes: ({ key, count, type }) => {
      const member = read.get(key) ?? zip.read(`${folder}data/${key}`);
      if (member === undefined) return refuseFile(where, `its zip has no member for storage ${quoted(key)}`);
      read.set(key, member);
      const needed = count * STORAGE_TYPES[type];
      if (member.length === needed) return member;
      return refuseFile(where, `storage ${quoted(key)} has ${member.length} bytes; ${count} x ${type} need ${needed}`);
    },
  };
}
