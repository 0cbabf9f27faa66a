/** How far back a word may stand that says what a number is, in characters. */
const REACH = 40;

/** The text before a place, as far as it may tell what stands there. */
export function before(text: string, at: number): string {
  return text.slice(Math.max(0, at - REACH), at);
}

const NUMBERED_THING =
  /(?:订单|单号|序列|编号|流水|运单|快递|工单|批次|设备号|型号|料号|条码|时间戳|计数|累计|版本|端口|\b(?:order|serial|s\/?n|batch|lot|invoice|ticket|tracking|parcel|shipment|job|part|model|sku|imei|iccid|uid|uuid|seq|sequence|counter|count|offset|timestamp|epoch|uptime|trace|build|rev|txn|transaction|ref|reference|case|barcode|ean|isbn|asset|device[ _-]?id|msg[ _-]?id|request[ _-]?id))(?:[ _-]?(?:number|num|no|id|code))?(?:号码|号|码|数|为|是)*[ .:=#("'-]*(?:(?:is|was|of|at) )?$/i;

/** True when the words right before name an order, a serial, a counter: numbers that are nobody's. */
export function namesAThing(text: string, at: number): boolean {
  return NUMBERED_THING.test(before(text, at));
}
