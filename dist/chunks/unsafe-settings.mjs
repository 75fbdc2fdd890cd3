// src/host/unsafe-settings.ts
/**
* Takes the settings out of the environment that would switch a check off, for us, for the libraries that we use and for the
* programs that we start. Certificates of one's own are named in NODE_EXTRA_CA_CERTS, which stays.
* @returns what to tell the user
*/
function takeUnsafeSettings(env) {
	if (env.NODE_TLS_REJECT_UNAUTHORIZED !== "0") return [];
	delete env.NODE_TLS_REJECT_UNAUTHORIZED;
	return ["NODE_TLS_REJECT_UNAUTHORIZED=0 is not honored: certificates are always checked; name your own in NODE_EXTRA_CA_CERTS"];
}
export { takeUnsafeSettings as t };
