// An OPC UA server that we did not write: node-opcua, with a few nodes of ours.
//   NODE_PATH=FOLDER/node_modules node node_server.js '{"tags": 10, "period_ms": 100, "pki": "FOLDER"}'
// Prints {"url", "certificate"} when it listens, and ends with its standard input.
// Nodes are t/00000 ..., each counting the periods, and one of each kind in `kinds`.
"use strict";
const opcua = require("node-opcua");
const { DataType, StatusCodes, Variant, VariantArrayType } = opcua;

const URI = "urn:wheeltapper:node-opcua";
const given = JSON.parse(process.argv[2] || "{}");
const tags = given.tags || 0;
const period_ms = given.period_ms || 100;
const BURST = 4096;

function kinds(namespace, parent) {
  const add = (name, dataType, value, more = {}) =>
    namespace.addVariable({
      componentOf: parent, browseName: name, nodeId: "s=" + name, dataType,
      minimumSamplingInterval: 10, value: new Variant({ dataType: DataType[dataType], arrayType: VariantArrayType.Scalar, value }),
      accessLevel: "CurrentRead | CurrentWrite", userAccessLevel: "CurrentRead | CurrentWrite",
      ...more,
    });
  add("boolean", "Boolean", true);
  add("double", "Double", 12.5);
  add("float", "Float", 0.5);
  add("int16", "Int16", -7);
  add("uint64", "UInt64", [0x00200000, 1]); // 2**53 + 1: high word, low word
  add("string", "String", "Pumpe läuft");
  add("broken", "Double", 1.5).setValueFromSource(
    { dataType: DataType.Double, value: 1.5 }, StatusCodes.BadSensorFailure);
  const burst = Float32Array.from({ length: BURST }, (_, at) => Math.fround(at / 8));
  const wave = namespace.addVariable({
    componentOf: parent, browseName: "wave", nodeId: "s=wave", dataType: "Float", valueRank: 1,
    arrayDimensions: [BURST], minimumSamplingInterval: 10,
    value: new Variant({ dataType: DataType.Float, arrayType: VariantArrayType.Array, value: burst }),
  });
  namespace.addVariable({
    propertyOf: wave, browseName: "SampleRate", nodeId: "s=wave/rate", dataType: "Double",
    value: new Variant({ dataType: DataType.Double, value: 10240 }),
  });
  // A source that is exact: 100 ns and picoseconds more than a millisecond.
  const exact = add("exact", "Double", 0);
  exact.bindVariable({
    timestamped_get: () => new opcua.DataValue({
      value: { dataType: DataType.Double, value: 1.25 }, statusCode: StatusCodes.Good,
      sourceTimestamp: new Date(1700000000123), sourcePicoseconds: 400030,
      serverTimestamp: new Date(1700000000456), serverPicoseconds: 100040,
    }),
  }, true);
}

async function main() {
  const server = new opcua.OPCUAServer({
    port: 0, host: "127.0.0.1", hostname: "127.0.0.1", resourcePath: "/", alternateHostname: ["127.0.0.1"],
    serverInfo: { applicationUri: URI },
    serverCertificateManager: new opcua.OPCUACertificateManager({
      rootFolder: given.pki, automaticallyAcceptUnknownCertificate: true,
    }),
    userCertificateManager: new opcua.OPCUACertificateManager({
      rootFolder: given.pki + "/users", automaticallyAcceptUnknownCertificate: true,
    }),
    securityModes: [opcua.MessageSecurityMode.None, opcua.MessageSecurityMode.SignAndEncrypt],
    securityPolicies: [
      opcua.SecurityPolicy.None, opcua.SecurityPolicy.Basic256Sha256,
      opcua.SecurityPolicy.Aes128_Sha256_RsaOaep, opcua.SecurityPolicy.Aes256_Sha256_RsaPss,
    ],
    allowAnonymous: true,
    userManager: { isValidUser: (name, password) => name === "op" && password === "s3cret" },
    serverCapabilities: { maxMonitoredItemsPerSubscription: 100000, maxMonitoredItems: 200000 },
  });
  await server.initialize();
  const namespace = server.engine.addressSpace.registerNamespace(URI);
  const folder = namespace.addFolder(server.engine.addressSpace.rootFolder.objects, { browseName: "Plant" });
  kinds(namespace, folder);
  const counting = [];
  for (let at = 0; at < tags; at++) {
    const name = "t/" + String(at).padStart(5, "0");
    counting.push(namespace.addVariable({
      componentOf: folder, browseName: name, nodeId: "s=" + name, dataType: "Double",
      minimumSamplingInterval: 0, value: new Variant({ dataType: DataType.Double, value: 0 }),
    }));
  }
  await server.start();
  let count = 0;
  const begin = Date.now();
  setInterval(() => {
    for (const due = Math.floor((Date.now() - begin) / period_ms); count < due; ) {
      count += 1;
      for (const node of counting) node.setValueFromSource({ dataType: DataType.Double, value: count });
    }
  }, Math.max(5, period_ms / 4));
  const endpoint = server.endpoints[0];
  const port = endpoint.listeningPort || endpoint.port;
  process.stdout.write(JSON.stringify({
    url: `opc.tcp://127.0.0.1:${port}/`, uri: URI, certificate: server.certificateFile,
  }) + "\n");
  process.stdin.on("end", () => process.exit(0)).resume();
}

main().catch((error) => { process.stderr.write(String(error.stack) + "\n"); process.exit(1); });
