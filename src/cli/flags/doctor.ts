import { jsonOption, type OptionsOf, storeOption, verb } from '../options.ts';

export function doctorFlags() {
  return verb('doctor', 'check that this machine is ready').addOption(storeOption()).addOption(jsonOption());
}

export type DoctorOptions = OptionsOf<typeof doctorFlags>;
